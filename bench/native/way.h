// Where things stand: the addresses of one direction's rows, and the order in which it takes the steps.
#pragma once
#include "cells.h"
#include "norms.h"
#include "product.h"
#include "scan.h"

// Addresses and the order of steps of one direction.
template <class T, class Cell> struct Way {
  const Scan<T>& s;
  const int d, B, H, G;
  const bool back;

  Way(const Scan<T>& scan, int direction)
      : s(scan), d(direction), B(int(scan.batch)), H(int(scan.hidden)), G(Cell::GATES * H), back(scan.backward[d]) {}

  std::int64_t at(std::int64_t step) const { return back ? s.time - 1 - step : step; }
  std::int64_t row(std::int64_t n) const { return s.directions * n; }  // from one row of the batch to the next
  std::int64_t place(std::int64_t t, int b) const { return (t * B + b) * s.directions + d; }
  template <class P> P* in(P* base, std::int64_t t, int b, std::int64_t n) const { return base ? base + place(t, b) * n : base; }
  template <class P> P* of(P* base, std::int64_t n) const { return base ? base + d * n : base; }  // parameters
  bool ended(std::int64_t t, int b) const { return s.lengths && t >= s.lengths[b]; }

  // The state before `step`, and how far its rows are apart.
  const T* before(const T* states, const T* first, std::int64_t step, int b) const {
    return step ? in(states, at(step - 1), b, H) : first + (std::int64_t(d) * B + b) * H;
  }
  std::int64_t apart(std::int64_t step) const { return step ? row(H) : H; }

  Row<T> at(std::int64_t step, int b, T* scratch) const {
    const std::int64_t t = at(step), mask = (t * B + b) * H;
    Row<T> r{};
    r.hidden = H;
    r.hp = before(s.y, s.h0, step, b);
    r.h = in(s.y, t, b, H);
    r.a = in(s.a, t, b, G);
    r.m = in(s.m, t, b, H);
    if (Cell::MEMORY) {
      r.cp = before(s.c, s.c0, step, b);
      r.c = in(s.c, t, b, H);
      r.again = !s.n && (s.stay_c[d] || s.keep_c != 0);
      r.fresh = s.n ? in(s.n, t, b, H) : r.again ? scratch : r.c;
      r.peepholes = of(s.peepholes, 3 * H);
      r.gain_c = of(s.gain_c, H);
      r.shift_c = of(s.shift_c, H);
    }
    r.update = s.update[d] ? s.update[d] + mask : nullptr;
    r.stay_h = s.stay_h[d] ? s.stay_h[d] + mask : nullptr;
    r.stay_c = s.stay_c[d] ? s.stay_c[d] + mask : nullptr;
    r.written = s.written;
    r.keep_h = s.keep_h;
    r.keep_c = s.keep_c;
    return r;
  }
  Row<T> at_back(std::int64_t step, int b, T* scratch, T* e) const {
    Row<T> r = at(step, b, scratch);
    const std::int64_t state = (std::int64_t(d) * B + b) * H;
    r.dy = in(s.dy, at(step), b, H);
    r.d = in(s.dz, at(step), b, G);
    r.dm = in(s.dm, at(step), b, H);
    r.dh = s.dh + state;
    r.dc = s.dc ? s.dc + state : nullptr;
    r.e = e;
    return r;
  }

  // What a state is multiplied by: columns [first, first + count) of W^T. What gradients of gates are: rows of W from
  // `gate_rows`, `gate_count` of them, and its columns from `from`.
  Panels<T> forward_panels(int first, int count) const {
    const T* w = of(s.weight, std::int64_t(G) * H);
    return Panels<T>(H, count, [=](int k, int n) { return w[std::int64_t(first + n) * H + k]; });
  }
  Panels<T> backward_panels(int gate_rows, int gate_count, int from, int count) const {
    const T* w = of(s.weight, std::int64_t(G) * H) + std::int64_t(gate_rows) * H + from;
    return Panels<T>(gate_count, count, [=](int k, int n) { return w[std::int64_t(k) * H + n]; });
  }

  // Mean and 1 / deviation of what is normalised by its row: 0 W x, 1 W h, 2 c.
  Moments<T>& moments(int which, std::int64_t t, int b) const {
    return reinterpret_cast<Moments<T>*>(s.moments[which])[place(t, b)];
  }

  // gates = normalised W x * gain + normalised W h * gain + bias, with the GRU's bracket apart.
  FLAT void gather(const T* z, const T* r, T* a, T* m, int from, int to, Moments<T> of_z = {}, Moments<T> of_r = {}) const {
    const T *bias = of(s.bias, G), *gain_z = of(s.gain_z, G), *gain_r = of(s.gain_r, G), *bias_m = of(s.bias_m, H);
    const int inner = Cell::BRACKET ? Cell::GATES - 1 : Cell::GATES;
    for (int gate = 0; gate < inner; gate++)
      each(gate * H + from, gate * H + to, [=](int j) {
        a[j] = (z[j] - of_z.mean) * of_z.inverse * gain_z[j] + (r[j] - of_r.mean) * of_r.inverse * gain_r[j] + bias[j];
      });
    if (Cell::BRACKET) {
      const int o = inner * H;
      each(from, to, [=](int j) {
        a[o + j] = (z[o + j] - of_z.mean) * of_z.inverse * gain_z[o + j] + bias[o + j];
        m[j] = (r[o + j] - of_r.mean) * of_r.inverse * gain_r[o + j] + bias_m[j];
      });
    }
  }
  // What W h gets of the gradient: that of the gates, but in the GRU's bracket.
  FLAT void scatter(const T* d_, const T* dm, T* dr, int from, int to) const {
    for (int gate = 0; gate < Cell::GATES; gate++) {
      const bool bracket = Cell::BRACKET && gate == Cell::GATES - 1;
      const T* source = bracket ? dm : d_ + gate * H;
      T* target = dr + gate * H;
      each(from, to, [=](int j) { target[j] = source[j]; });
    }
  }
  FLAT void add_bias(const Row<T>& r, T* dbias, T* dbias_m, int from, int to) const {
    for (int gate = 0; gate < Cell::GATES; gate++) add(r.d, dbias, gate * H + from, gate * H + to);
    if (Cell::BRACKET) add(r.dm, dbias_m, from, to);
  }
};
