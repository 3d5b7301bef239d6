// The pointwise part of each cell, forward and backward, on the units [from, to) of one row. Features that a run does not
// use are passes over a row in cache that are left out.
#pragma once
#include "norms.h"
#include "scan.h"
#include "vectors.h"

// One row at one step: everything is at [j] for unit j, gates at [gate * hidden + j].
template <class T> struct Row {
  int hidden;
  const T *hp, *cp;  // the states before
  T *h, *c;          // the states after
  T *a;              // gates: before the activation in, after it out
  T *m;              // GRU: the candidate's inner part
  T *fresh;          // LSTM: the new memory before zoneout; under batch normalisation, then normalised
  bool again;        // fresh is not kept: the way back computes it again
  Moments<T> memory;  // of fresh, under layer normalisation
  const std::uint8_t *update, *stay_h, *stay_c;
  const T *peepholes, *gain_c, *shift_c;
  T written, keep_h, keep_c;
  // backward
  const T *dy;
  T *d, *dm;         // gradients of the gates before activation, and of m
  T *dh, *dc;        // running: of the states after in, of the states before out, but for what goes through W
  T *e;              // gradient of the new memory through h; in between, of the new h
  T *dpeepholes;
};

// new = stay ? old : new, or the mean of the two without masks.
template <class T>
static inline void zone(int from, int to, const std::uint8_t* stay, T share, const T* old, const T* fresh, T* kept) {
  if (stay) each(from, to, [=](int j) { kept[j] = stay[j] ? old[j] : fresh[j]; });
  else if (share != 0) each(from, to, [=](int j) { kept[j] = share * old[j] + (1 - share) * fresh[j]; });
}
// What reaches the old value directly replaces d; the rest, to the new one, goes to `fresh`.
template <class T>
static inline void zone_back(int from, int to, const std::uint8_t* stay, T share, T* d, T* fresh) {
  if (stay) each(from, to, [=](int j) { T all = d[j]; d[j] = stay[j] ? all : T(0); fresh[j] = stay[j] ? T(0) : all; });
  else each(from, to, [=](int j) { T all = d[j]; d[j] = share * all; fresh[j] = all - share * all; });
}

// A cell whose only state is h: `write` makes all of it.
template <class T> struct Memoryless {
  static constexpr bool MEMORY = false;

  static void output(const Row<T>&, int, int) {}

  FLAT static void output_back(const Row<T>& s, int from, int to) {
    each(from, to, [=](int j) { s.dh[j] += s.dy[j]; });
    zone_back(from, to, s.stay_h, s.keep_h, s.dh, s.e);
  }
};

template <class T, class Act> struct RNN : Memoryless<T> {
  static constexpr int GATES = 1;
  static constexpr bool BRACKET = false;

  FLAT static void write(const Row<T>& s, int from, int to) {
    each(from, to, [=](int j) { s.a[j] = s.h[j] = Act::value(s.a[j]); });
    if (s.update) each(from, to, [=](int j) { s.h[j] = s.update[j] ? s.h[j] * s.written : T(0); });
    zone(from, to, s.stay_h, s.keep_h, s.hp, s.h, s.h);
  }
  FLAT static void write_back(const Row<T>& s, int from, int to) {
    if (s.update) each(from, to, [=](int j) { s.e[j] = s.update[j] ? s.e[j] * s.written : T(0); });
    each(from, to, [=](int j) { s.d[j] = s.e[j] * Act::slope(s.a[j]); });
  }
};

// r, u, n as in torch.nn.GRU: h = n + u (h' - n), n = act(z_n + r m).
template <class T, class Act> struct GRU : Memoryless<T> {
  static constexpr int GATES = 3;
  static constexpr bool BRACKET = true;

  FLAT static void write(const Row<T>& s, int from, int to) {
    T *r = s.a, *u = r + s.hidden, *n = u + s.hidden;
    each(from, to, [=](int j) {
      r[j] = sigmoid(r[j]);
      u[j] = sigmoid(u[j]);
      n[j] = Act::value(n[j] + r[j] * s.m[j]);
    });
    if (s.update)
      each(from, to, [=](int j) { T w = s.update[j] ? n[j] * s.written : T(0); s.h[j] = w + u[j] * (s.hp[j] - w); });
    else each(from, to, [=](int j) { s.h[j] = n[j] + u[j] * (s.hp[j] - n[j]); });
    zone(from, to, s.stay_h, s.keep_h, s.hp, s.h, s.h);
  }
  FLAT static void write_back(const Row<T>& s, int from, int to) {
    const T *r = s.a, *u = r + s.hidden, *n = u + s.hidden;
    T *dr = s.d, *du = dr + s.hidden, *dn = du + s.hidden;
    if (s.update)
      each(from, to, [=](int j) {
        const T scale = s.update[j] ? s.written : T(0);
        dn[j] = scale * s.e[j] * (1 - u[j]) * Act::slope(n[j]);
        du[j] = s.e[j] * (s.hp[j] - scale * n[j]) * u[j] * (1 - u[j]);
      });
    else
      each(from, to, [=](int j) {
        dn[j] = s.e[j] * (1 - u[j]) * Act::slope(n[j]);
        du[j] = s.e[j] * (s.hp[j] - n[j]) * u[j] * (1 - u[j]);
      });
    each(from, to, [=](int j) {
      s.dh[j] += s.e[j] * u[j];
      s.dm[j] = dn[j] * r[j];
      dr[j] = dn[j] * s.m[j] * r[j] * (1 - r[j]);
    });
  }
};

// i, f, g, o as in torch.nn.LSTM; c on its way to h may be normalised between write and output.
template <class T, class Act> struct LSTM {
  static constexpr int GATES = 4;
  static constexpr bool MEMORY = true, BRACKET = false;

  FLAT static void write(const Row<T>& s, int from, int to) {
    T *i = s.a, *f = i + s.hidden, *g = f + s.hidden, *o = g + s.hidden;
    const T *pi = s.peepholes, *pf = pi + s.hidden, *po = pf + s.hidden;
    if (pi) each(from, to, [=](int j) { i[j] += pi[j] * s.cp[j]; f[j] += pf[j] * s.cp[j]; });
    each(from, to, [=](int j) {
      i[j] = sigmoid(i[j]);
      f[j] = sigmoid(f[j]);
      g[j] = Act::value(g[j]);
      s.fresh[j] = f[j] * s.cp[j] + i[j] * g[j];
    });
    if (s.update)
      each(from, to, [=](int j) { s.fresh[j] = f[j] * s.cp[j] + i[j] * (s.update[j] ? g[j] * s.written : T(0)); });
    if (pi) each(from, to, [=](int j) { o[j] += po[j] * s.fresh[j]; });
    each(from, to, [=](int j) { o[j] = sigmoid(o[j]); });
    if (s.fresh == s.c) return;
    if (s.stay_c || s.keep_c != 0) zone(from, to, s.stay_c, s.keep_c, s.cp, s.fresh, s.c);
    else each(from, to, [=](int j) { s.c[j] = s.fresh[j]; });
  }
  FLAT static void output(const Row<T>& s, int from, int to) {
    const T* o = s.a + 3 * s.hidden;
    if (s.gain_c) each(from, to, [=](int j) { s.h[j] = o[j] * Act::value(normal(s, j)); });
    else each(from, to, [=](int j) { s.h[j] = o[j] * Act::value(s.fresh[j]); });
    zone(from, to, s.stay_h, s.keep_h, s.hp, s.h, s.h);
  }

  FLAT static void output_back(const Row<T>& s, int from, int to) {
    const T* o = s.a + 3 * s.hidden;
    T* d = s.d + 3 * s.hidden;
    each(from, to, [=](int j) { s.dh[j] += s.dy[j]; });
    zone_back(from, to, s.stay_h, s.keep_h, s.dh, s.e);
    if (s.again) memory(s, from, to, s.fresh);
    const auto through = [=](int j, T u) {
      const T out = Act::value(u);
      d[j] = s.e[j] * out * o[j] * (1 - o[j]);
      s.e[j] = s.e[j] * o[j] * Act::slope(out);
    };
    if (s.gain_c) each(from, to, [=](int j) { through(j, normal(s, j)); });
    else each(from, to, [=](int j) { through(j, s.fresh[j]); });
  }
  FLAT static void write_back(const Row<T>& s, int from, int to) {
    const T *i = s.a, *f = i + s.hidden, *g = f + s.hidden;
    const T *pi = s.peepholes, *pf = pi + s.hidden, *po = pf + s.hidden;
    T *di = s.d, *df = di + s.hidden, *dg = df + s.hidden, *dout = dg + s.hidden;
    if (pi) {
      T* d = s.dpeepholes + 2 * s.hidden;
      each(from, to, [=](int j) {
        const T written = s.update ? (s.update[j] ? g[j] * s.written : T(0)) : g[j];
        d[j] += dout[j] * (f[j] * s.cp[j] + i[j] * written);
        s.e[j] += dout[j] * po[j];
      });
    }
    if (s.stay_c) each(from, to, [=](int j) { s.e[j] += s.stay_c[j] ? T(0) : s.dc[j]; s.dc[j] = s.stay_c[j] ? s.dc[j] : T(0); });
    else each(from, to, [=](int j) { s.e[j] += (1 - s.keep_c) * s.dc[j]; s.dc[j] = s.keep_c * s.dc[j]; });
    if (s.update)
      each(from, to, [=](int j) {
        const T scale = s.update[j] ? s.written : T(0);
        di[j] = s.e[j] * scale * g[j] * i[j] * (1 - i[j]);
        dg[j] = s.e[j] * scale * i[j] * Act::slope(g[j]);
      });
    else
      each(from, to, [=](int j) {
        di[j] = s.e[j] * g[j] * i[j] * (1 - i[j]);
        dg[j] = s.e[j] * i[j] * Act::slope(g[j]);
      });
    each(from, to, [=](int j) {
      df[j] = s.e[j] * s.cp[j] * f[j] * (1 - f[j]);
      s.dc[j] += s.e[j] * f[j];
    });
    if (!pi) return;
    T *dpi = s.dpeepholes, *dpf = dpi + s.hidden;
    each(from, to, [=](int j) {
      s.dc[j] += di[j] * pi[j] + df[j] * pf[j];
      dpi[j] += di[j] * s.cp[j];
      dpf[j] += df[j] * s.cp[j];
    });
  }

 private:
  static T normal(const Row<T>& s, int j) {
    return (s.fresh[j] - s.memory.mean) * s.memory.inverse * s.gain_c[j] + s.shift_c[j];
  }
  FLAT static void memory(const Row<T>& s, int from, int to, T* fresh) {
    const T *i = s.a, *f = i + s.hidden, *g = f + s.hidden;
    if (s.update)
      each(from, to, [=](int j) { fresh[j] = f[j] * s.cp[j] + i[j] * (s.update[j] ? g[j] * s.written : T(0)); });
    else each(from, to, [=](int j) { fresh[j] = f[j] * s.cp[j] + i[j] * g[j]; });
  }
};
