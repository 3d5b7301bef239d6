// What a scan is told: sizes, switches and addresses, in the order of bench.core.cpp.Layout. T is float or double.
//
// Arrays over time are (time, batch, directions, n), so that both directions of a layer stand side by side; parameters are
// (directions, n), states (directions, batch, hidden).
#pragma once
#include <cstdint>

enum Norm : std::int64_t { PLAIN, UNITS, BATCH };

template <class T> struct Population {  // of one batch normalisation: statistics for each time step
  T *mean, *variance;                   // (steps, n)
  std::int64_t seen;                    // steps that have statistics
};

template <class T> struct Scan {
  std::int64_t time, batch, directions, hidden, kernel, activation, norm, threads, training;
  std::int64_t steps, fewest;  // batch normalisation: steps with statistics of their own, rows that make a statistic
  std::int64_t backward[2];    // the direction reads from the end
  const std::int64_t* lengths;  // (batch,) or null
  T momentum, epsilon;
  T written, keep_h, keep_c;  // what recurrent dropout multiplies by; zoneout without masks: the share that stays

  T *z;  // (.., gates * hidden): in, W x; out, the activated gates; with UNITS, still W x; with BATCH, normalised W x
  T *r;  // (.., gates * hidden): W h; with BATCH, normalised
  T *a;  // (.., gates * hidden): activated gates; z itself without a norm
  T *m;  // (.., hidden): the GRU's candidate inside the reset gate's bracket
  T *y, *c, *n;  // (.., hidden): h, the LSTM's memory, and with BATCH that memory normalised
  T *moments[3];  // of W x, W h and c. UNITS: mean and 1 / deviation of each row; BATCH: 1 / deviation of each column
  std::uint8_t *counted;  // (directions, time): the step's statistics are its batch's
  Population<T>* population[2];  // three a direction

  const T *weight, *bias, *bias_m, *peepholes, *gain_z, *gain_r, *gain_c, *shift_c, *h0, *c0;
  const std::uint8_t *update[2], *stay_h[2], *stay_c[2];  // masks of each direction, (time, batch, hidden) or null

  const T *dy;            // (.., hidden)
  T *dz, *dr, *dm;        // gradients of W x and W h (the same where dr is null), and of the GRU's bracket
  T *dh, *dc;             // states: in, what comes from the last ones; out, what reaches the first ones
  T *dbias, *dbias_m, *dpeepholes, *dgain_z, *dgain_r, *dgain_c, *dshift_c;
};
