// The loop with threads over batch rows, for recurrences without normalisation or with that of a row's units: a sequence runs
// from end to end without waiting. Sums over rows are made in a fixed order of fixed blocks, so that the number of threads
// changes no bit.
#pragma once
#include <vector>

#include "norms.h"
#include "threads.h"
#include "way.h"

constexpr int BLOCK = 4;  // rows whose gradients of parameters are summed together

template <class T, class Cell> void forward_rows(const Way<T, Cell>& w, const std::vector<Panels<T>>& panels, int b0, int b1) {
  const Scan<T>& s = w.s;
  const int H = w.H, G = w.G, gates = Cell::BRACKET ? G - H : G;
  std::vector<T> scratch(H);
  for (std::int64_t step = 0; step < s.time; step++) {
    const std::int64_t t = w.at(step);
    const T* h = w.before(s.y, s.h0, step, b0);
    if (s.norm == UNITS) {
      panels[0].times(b1 - b0, h, w.apart(step), w.in(s.r, t, b0, G), w.row(G), false, nullptr);
    } else {
      panels[0].times(b1 - b0, h, w.apart(step), w.in(s.z, t, b0, G), w.row(G), true, w.of(s.bias, G));
      if (Cell::BRACKET) {
        panels[1].times(b1 - b0, h, w.apart(step), w.in(s.m, t, b0, H), w.row(H), false, w.of(s.bias_m, H));
        for (int b = b0; b < b1; b++) {
          T *n = w.in(s.z, t, b, G) + gates;
          const T* bias = w.of(s.bias, G) + gates;
          each(0, H, [=](int j) { n[j] += bias[j]; });
        }
      }
    }
    for (int b = b0; b < b1; b++) {
      Row<T> row = w.at(step, b, scratch.data());
      if (w.back && w.ended(t, b)) {  // the sequence, read from its end, has not begun
        each(0, H, [=](int j) { row.h[j] = row.hp[j]; });
        if (Cell::MEMORY) each(0, H, [=](int j) { row.c[j] = row.cp[j]; });
        continue;
      }
      if (s.norm == UNITS) {
        const T *z = w.in(s.z, t, b, G), *r = w.in(s.r, t, b, G);
        Moments<T>&of_z = w.moments(0, t, b), &of_r = w.moments(1, t, b);
        moments(z, r, G, s.epsilon, of_z, of_r);
        w.gather(z, r, row.a, row.m, 0, H, of_z, of_r);
      }
      Cell::write(row, 0, H);
      if (s.norm == UNITS && Cell::MEMORY) {
        moments(row.fresh, row.fresh, H, s.epsilon, row.memory, row.memory);
        w.moments(2, t, b) = row.memory;
      }
      Cell::output(row, 0, H);
    }
  }
}

// Gradients of parameters from one block of rows.
template <class T> struct Sums {
  std::vector<T> bias, bias_m, peepholes, gain_z, gain_r, gain_c, shift_c;
  Sums(int G, int H) : bias(G), bias_m(H), peepholes(3 * H), gain_z(G), gain_r(G), gain_c(H), shift_c(H) {}
};

template <class T, class Cell>
void backward_rows(const Way<T, Cell>& w, const std::vector<Panels<T>>& panels, int b0, int b1, Sums<T>* sums) {
  const Scan<T>& s = w.s;
  const int H = w.H, G = w.G, gates = Cell::BRACKET ? G - H : G;
  std::vector<T> scratch(H), e(H);
  for (std::int64_t step = s.time - 1; step >= 0; step--) {
    const std::int64_t t = w.at(step);
    for (int b = b0; b < b1; b++) {
      Row<T> row = w.at_back(step, b, scratch.data(), e.data());
      T* dr = w.in(s.dr, t, b, G);
      if (w.back && w.ended(t, b)) {
        each(0, G, [=](int j) { row.d[j] = 0; });
        if (dr) each(0, G, [=](int j) { dr[j] = 0; });
        if (Cell::BRACKET) each(0, H, [=](int j) { row.dm[j] = 0; });
        continue;
      }
      Sums<T>& sum = sums[b / BLOCK];
      row.dpeepholes = sum.peepholes.data();
      if (s.norm == UNITS && Cell::MEMORY) row.memory = w.moments(2, t, b);
      Cell::output_back(row, 0, H);
      if (s.norm == UNITS && Cell::MEMORY) {
        T *gain = sum.gain_c.data(), *shift = sum.shift_c.data();
        moments_back(row.e, row.fresh, row.gain_c, row.memory, H, row.e, gain, shift);
      }
      Cell::write_back(row, 0, H);
      if (s.norm == UNITS) {
        const T *z = w.in(s.z, t, b, G), *r = w.in(s.r, t, b, G), *up = row.d;
        if (Cell::BRACKET) {  // W h gets another gradient than W x
          w.scatter(row.d, row.dm, dr, 0, H);
          add(row.dm, sum.bias_m.data(), 0, H);
          up = dr;
        }
        moments_back(up, r, w.of(s.gain_r, G), w.moments(1, t, b), G, dr, sum.gain_r.data(), static_cast<T*>(nullptr));
        moments_back(row.d, z, w.of(s.gain_z, G), w.moments(0, t, b), G, row.d, sum.gain_z.data(), sum.bias.data());
      } else {
        w.add_bias(row, sum.bias.data(), sum.bias_m.data(), 0, H);
      }
    }
    T* dh = s.dh + (std::int64_t(w.d) * w.B + b0) * H;
    const T* through = s.dr ? s.dr : s.dz;
    panels[0].times(b1 - b0, w.in(through, t, b0, G), w.row(G), dh, H, true, nullptr);
    if (Cell::BRACKET) {
      if (s.dr) panels[1].times(b1 - b0, w.in(s.dr, t, b0, G) + gates, w.row(G), dh, H, true, nullptr);
      else panels[1].times(b1 - b0, w.in(s.dm, t, b0, H), w.row(H), dh, H, true, nullptr);
    }
  }
}

// Rows for each of `chunks` threads of one direction, a whole number of blocks.
inline int rows_each(int batch, int chunks) { return (batch + chunks * BLOCK - 1) / (chunks * BLOCK) * BLOCK; }

template <class T, class Cell> void by_rows(const Scan<T>& s, bool forward) {
  const int B = int(s.batch), H = int(s.hidden), G = Cell::GATES * H, D = int(s.directions);
  const int gates = Cell::BRACKET ? G - H : G, blocks = (B + BLOCK - 1) / BLOCK;
  std::vector<Way<T, Cell>> ways;
  ways.reserve(D);
  std::vector<std::vector<Panels<T>>> panels(D);
  for (int d = 0; d < D; d++) {
    const Way<T, Cell>& w = ways.emplace_back(s, d);
    if (forward) {
      panels[d].push_back(w.forward_panels(0, s.norm == UNITS ? G : gates));
      if (Cell::BRACKET && s.norm == PLAIN) panels[d].push_back(w.forward_panels(gates, H));
    } else {
      panels[d].push_back(w.backward_panels(0, gates, 0, H));
      if (Cell::BRACKET) panels[d].push_back(w.backward_panels(gates, H, 0, H));
    }
  }
  std::vector<Sums<T>> sums(forward ? 0 : D * blocks, Sums<T>(G, H));
  const int each_ = rows_each(B, std::max(1, int(s.threads) / D)), chunks = (B + each_ - 1) / each_;
  together(std::min<std::int64_t>(s.threads, D * chunks), [&](int me, int members) {
    for (int task = me; task < D * chunks; task += members) {
      const int d = task % D, b0 = task / D * each_, b1 = std::min(B, b0 + each_);
      if (forward) forward_rows(ways[d], panels[d], b0, b1);
      else backward_rows(ways[d], panels[d], b0, b1, sums.data() + d * blocks);
    }
  });
  const auto total = [&](T* target, std::vector<T> Sums<T>::*part, int n, int d) {
    if (!target) return;
    T* to = target + std::int64_t(d) * n;
    for (int block = 0; block < blocks; block++) {
      const T* from = (sums[d * blocks + block].*part).data();
      each(0, n, [=](int j) { to[j] += from[j]; });
    }
  };
  for (int d = 0; d < D && !forward; d++) {
    total(s.dbias, &Sums<T>::bias, G, d);
    total(s.dbias_m, &Sums<T>::bias_m, H, d);
    total(s.dpeepholes, &Sums<T>::peepholes, 3 * H, d);
    total(s.dgain_z, &Sums<T>::gain_z, G, d);
    total(s.dgain_r, &Sums<T>::gain_r, G, d);
    total(s.dgain_c, &Sums<T>::gain_c, H, d);
    total(s.dshift_c, &Sums<T>::shift_c, H, d);
  }
}
