// Normalisation of W x, W h and c inside the loop: over the units of a row, or over the rows of a batch.
#pragma once
#include <cmath>

#include "scan.h"
#include "vectors.h"

template <class T> static inline void add(const T* d, T* sum, int from, int to) {
  each(from, to, [=](int j) { sum[j] += d[j]; });
}

// Of a row under layer normalisation (Ba, Kiros & Hinton 2016), which maps x to (x - mean) * inverse. The row itself stays as
// it is: what is not written need not go back to memory.
template <class T> struct Moments {
  T mean = 0, inverse = 1;
};

// Of two rows of n at once, so that one's sums run while the other's wait; one row alone is given twice.
template <class T>
FLAT static inline void moments(const T* x, const T* y, int n, T epsilon, Moments<T>& of_x, Moments<T>& of_y) {
  T sum_x = 0, sum_y = 0, squares_x = 0, squares_y = 0;
#pragma omp simd reduction(+ : sum_x, sum_y)
  for (int j = 0; j < n; j++) {
    sum_x += x[j];
    sum_y += y[j];
  }
  const T mean_x = sum_x / n, mean_y = sum_y / n;
#pragma omp simd reduction(+ : squares_x, squares_y)
  for (int j = 0; j < n; j++) {
    squares_x += (x[j] - mean_x) * (x[j] - mean_x);
    squares_y += (y[j] - mean_y) * (y[j] - mean_y);
  }
  of_x = {mean_x, 1 / std::sqrt(squares_x / n + epsilon)};
  of_y = {mean_y, 1 / std::sqrt(squares_y / n + epsilon)};
}

// From the gradient d of gain * normalised x to that of x, written to `out`, which may be d. dgain and dshift are sums of
// gradients; dshift, that of what is added to gain * x, may be null.
template <class T>
FLAT static inline void moments_back(const T* d, const T* x, const T* gain, Moments<T> row, int n, T* out, T* dgain, T* dshift) {
  const T middle = row.mean, inverse = row.inverse;
  T sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
  for (int j = 0; j < n; j++) {
    const T g = d[j] * gain[j];
    sum += g;
    product += g * ((x[j] - middle) * inverse);
  }
  if (dshift) add(d, dshift, 0, n);
  const T mean = sum / n, slope = product / n;
  each(0, n, [=](int j) {
    const T normal = (x[j] - middle) * inverse, g = d[j];
    dgain[j] += g * normal;
    out[j] = inverse * (g * gain[j] - mean - normal * slope);
  });
}

// One batch normalisation at one step, on the columns [from, to) of `rows` rows, `stride` apart.
template <class T> struct Columns {
  int rows, from, to;
  std::int64_t stride;
  const std::int64_t* lengths;  // rows whose sequence has ended at `step` do not count
  std::int64_t step;
  int count;     // rows that count
  bool counted;  // the statistics are the batch's, not the population's

  bool in(int row) const { return !lengths || step < lengths[row]; }

  // x becomes (x - mean) / deviation, inverse[j] = 1 / deviation; the population of step `place` learns, or stands in.
  FLAT void normalise(T* x, T* inverse, T epsilon, const Population<T>& population, std::int64_t place, std::int64_t width,
                 T momentum) const {
    T *mean = population.mean + place * width, *variance = population.variance + place * width;
    T centre[STRIP], spread[STRIP];
    for (int j0 = from; j0 < to; j0 += STRIP) {
      const int n = to - j0 < STRIP ? to - j0 : STRIP;
      if (counted) {
        sums(x + j0, n, centre, [](T v, T) { return v; });
        each(0, n, [&](int j) { centre[j] /= count; });
        sums(x + j0, n, spread, [&](T v, T middle) { return (v - middle) * (v - middle); }, centre);
        each(0, n, [&](int j) { spread[j] /= count; });
        const T bessel = T(count) / (count - 1);
        each(0, n, [&](int j) {
          mean[j0 + j] = (1 - momentum) * mean[j0 + j] + momentum * centre[j];
          variance[j0 + j] = (1 - momentum) * variance[j0 + j] + momentum * (spread[j] * bessel);
        });
      } else {
        each(0, n, [&](int j) { centre[j] = mean[j0 + j], spread[j] = variance[j0 + j]; });
      }
      each(0, n, [&](int j) { inverse[j0 + j] = 1 / std::sqrt(spread[j] + epsilon); });
      for (int b = 0; b < rows; b++) {
        T* row = x + b * stride + j0;
        const T* scale = inverse + j0;
        each(0, n, [&](int j) { row[j] = (row[j] - centre[j]) * scale[j]; });
      }
    }
  }

  // From the gradient d of gain * x, whose rows are `apart`, to that of x before normalisation, in the place of d.
  FLAT void back(T* d, std::int64_t apart, const T* x, const T* gain, const T* inverse, T* dgain) const {
    T sum[STRIP], product[STRIP];
    for (int j0 = from; j0 < to; j0 += STRIP) {
      const int n = to - j0 < STRIP ? to - j0 : STRIP;
      each(0, n, [&](int j) { sum[j] = product[j] = 0; });
      for (int b = 0; b < rows; b++) {
        const T *up = d + b * apart + j0, *now = x + b * stride + j0;
        if (in(b)) each(0, n, [&](int j) { sum[j] += up[j], product[j] += up[j] * now[j]; });
      }
      each(0, n, [&](int j) { dgain[j0 + j] += product[j]; });
      const T share = counted ? T(1) / count : T(0);
      for (int b = 0; b < rows; b++) {
        const T* now = x + b * stride + j0;
        T* row = d + b * apart + j0;
        if (in(b))
          each(0, n, [&](int j) {
            row[j] = inverse[j0 + j] * gain[j0 + j] * (row[j] - share * (sum[j] + now[j] * product[j]));
          });
        else each(0, n, [&](int j) { row[j] = 0; });
      }
    }
  }

 private:
  static constexpr int STRIP = 64;  // columns at a time: their sums stay in cache

  template <class F> void sums(const T* x, int n, T* total, F f, const T* middle = nullptr) const {
    each(0, n, [&](int j) { total[j] = 0; });
    for (int b = 0; b < rows; b++) {
      const T* row = x + b * stride;
      if (in(b)) each(0, n, [&](int j) { total[j] += f(row[j], middle ? middle[j] : T(0)); });
    }
  }
};
