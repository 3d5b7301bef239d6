// The loop with threads over units, for batch normalisation, which needs all rows at each step: threads meet once a step.
#pragma once
#include <memory>
#include <vector>

#include "norms.h"
#include "threads.h"
#include "way.h"

template <class T, class Cell> class Batchwise {  // one direction, on the units [from, to)
 public:
  Batchwise(const Scan<T>& scan, int d, int from, int to, Barrier& barrier)
      : w_(scan, d), from_(from), to_(to), barrier_(barrier) {}

  void forward() {
    const Scan<T>& s = w_.s;
    const int H = w_.H, G = w_.G, B = w_.B;
    std::vector<Panels<T>> panels;
    for (int gate = 0; gate < Cell::GATES; gate++) panels.push_back(w_.forward_panels(gate * H + from_, to_ - from_));
    std::int64_t seen = s.population[w_.d][0].seen;
    for (std::int64_t t = 0; t < s.time; t++) {
      const T* h = w_.before(s.y, s.h0, t, 0);
      for (int gate = 0; gate < Cell::GATES; gate++)
        panels[gate].times(B, h, w_.apart(t), w_.in(s.r, t, 0, G) + gate * H + from_, w_.row(G), false, nullptr);
      Columns<T> columns = at(t, G);
      std::int64_t place = std::min(t, s.steps - 1);
      columns.counted = s.training && columns.count >= std::min<std::int64_t>(s.fewest, std::max(B, 2));
      const T momentum = place < seen ? s.momentum : T(1);  // the first batch sets the population
      if (columns.counted) seen = std::max(seen, place + 1);
      else place = std::min(place, std::max<std::int64_t>(seen - 1, 0));
      if (from_ == 0) s.counted[w_.d * s.time + t] = columns.counted;
      const auto normalise = [&](int which, T* x, int width) {
        T* inverse = s.moments[which] + (t * s.directions + w_.d) * width;
        columns.normalise(x, inverse, s.epsilon, s.population[w_.d][which], place, width, momentum);
      };
      for (int gate = 0; gate < Cell::GATES; gate++) {
        columns.from = gate * H + from_, columns.to = gate * H + to_;
        normalise(0, w_.in(s.z, t, 0, G), G);
        normalise(1, w_.in(s.r, t, 0, G), G);
      }
      for (int b = 0; b < B; b++) {
        const Row<T> row = w_.at(t, b, nullptr);
        w_.gather(w_.in(s.z, t, b, G), w_.in(s.r, t, b, G), row.a, row.m, from_, to_);
        Cell::write(row, from_, to_);
      }
      if (Cell::MEMORY) {
        columns.from = from_, columns.to = to_, columns.stride = w_.row(H);
        normalise(2, w_.in(s.n, t, 0, H), H);
      }
      for (int b = 0; b < B; b++) Cell::output(w_.at(t, b, nullptr), from_, to_);
      barrier_.wait();
    }
    if (from_ == 0)
      for (int which = 0; which < (Cell::MEMORY ? 3 : 2); which++) s.population[w_.d][which].seen = seen;
  }

  void backward() {
    const Scan<T>& s = w_.s;
    const int H = w_.H, G = w_.G, B = w_.B;
    const Panels<T> panels = w_.backward_panels(0, G, from_, to_ - from_);
    std::vector<T> e(std::size_t(B) * H);
    for (std::int64_t t = s.time - 1; t >= 0; t--) {
      Columns<T> columns = at(t, H);
      columns.counted = s.counted[w_.d * s.time + t];
      for (int b = 0; b < B; b++) {
        const Row<T> row = w_.at_back(t, b, nullptr, e.data() + std::size_t(b) * H);
        Cell::output_back(row, from_, to_);
        if (Cell::MEMORY) add(row.e, w_.of(s.dshift_c, H), from_, to_);
      }
      if (Cell::MEMORY) {
        columns.from = from_, columns.to = to_;
        const T* inverse = s.moments[2] + (t * s.directions + w_.d) * H;
        columns.back(e.data(), H, w_.in(s.n, t, 0, H), w_.of(s.gain_c, H), inverse, w_.of(s.dgain_c, H));
      }
      for (int b = 0; b < B; b++) {
        Row<T> row = w_.at_back(t, b, nullptr, e.data() + std::size_t(b) * H);
        row.dpeepholes = w_.of(s.dpeepholes, 3 * H);
        Cell::write_back(row, from_, to_);
        w_.add_bias(row, w_.of(s.dbias, G), w_.of(s.dbias_m, H), from_, to_);
        w_.scatter(row.d, row.dm, w_.in(s.dr, t, b, G), from_, to_);
      }
      columns.stride = w_.row(G);
      for (int gate = 0; gate < Cell::GATES; gate++) {
        columns.from = gate * H + from_, columns.to = gate * H + to_;
        T *dz = w_.in(s.dz, t, 0, G), *dr = w_.in(s.dr, t, 0, G);
        const std::int64_t place = (t * s.directions + w_.d) * G;
        columns.back(dr, w_.row(G), w_.in(s.r, t, 0, G), w_.of(s.gain_r, G), s.moments[1] + place, w_.of(s.dgain_r, G));
        columns.back(dz, w_.row(G), w_.in(s.z, t, 0, G), w_.of(s.gain_z, G), s.moments[0] + place, w_.of(s.dgain_z, G));
      }
      barrier_.wait();
      T* dh = s.dh + std::int64_t(w_.d) * B * H + from_;
      panels.times(B, w_.in(s.dr, t, 0, G), w_.row(G), dh, H, true, nullptr);
    }
  }

 private:
  Columns<T> at(std::int64_t t, int n) const {
    Columns<T> columns{w_.B, 0, 0, w_.row(n), w_.s.lengths, t, 0, false};
    for (int b = 0; b < w_.B; b++) columns.count += columns.in(b);
    return columns;
  }

  const Way<T, Cell> w_;
  const int from_, to_;
  Barrier& barrier_;
};

template <class T, class Cell> void by_units(const Scan<T>& s, bool forward) {
  constexpr int LINE = 16;  // units that no two threads share
  const int D = int(s.directions), H = int(s.hidden), lines = (H + LINE - 1) / LINE;
  const int team = std::max(1, std::min(int(s.threads) / D, lines)), each_ = (lines + team - 1) / team * LINE;
  const int members = (H + each_ - 1) / each_;
  std::vector<std::unique_ptr<Barrier>> barriers;
  for (int d = 0; d < D; d++) barriers.push_back(std::make_unique<Barrier>(members));
  const auto work = [&](int d, int from, int to, Barrier& barrier) {
    Batchwise<T, Cell> batchwise(s, d, from, to, barrier);
    forward ? batchwise.forward() : batchwise.backward();
  };
  together(s.threads < D ? 1 : D * members, [&](int me, int threads) {
    if (threads == D * members) {
      work(me % D, me / D * each_, std::min(H, (me / D + 1) * each_), *barriers[me % D]);
    } else if (me == 0) {  // fewer threads than a team needs: one does it all
      Barrier alone(1);
      for (int d = 0; d < D; d++) work(d, 0, H, alone);
    }
  });
}
