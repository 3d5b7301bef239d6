// C = A W for a few rows of A at a time and one W many times over: W is laid out once in panels of two vectors' width, which
// the inner loop reads in one line while a tile of C stays in registers.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <memory>

#include "vectors.h"

template <class T> class Panels {
 public:
  // W is (depth, columns).
  Panels(int depth, int columns) : depth_(depth), columns_(columns), count_((columns + WIDTH - 1) / WIDTH) {
    store_.reset(static_cast<T*>(std::aligned_alloc(BYTES, std::size_t(count_) * depth * WIDTH * sizeof(T) + BYTES)));
  }
  template <class F> Panels(int depth, int columns, F at) : Panels(depth, columns) { fill(at, 0, 1); }

  // Lays out one member's share of the panels; at(k, n) gives the elements of W.
  template <class F> void fill(F at, int member, int members) {
    for (int p = member; p < count_; p += members)
      for (int k = 0; k < depth_; k++) {
        T* line = store_.get() + (std::size_t(p) * depth_ + k) * WIDTH;
        const int have = std::min(WIDTH, columns_ - p * WIDTH);
        for (int n = 0; n < have; n++) line[n] = at(k, p * WIDTH + n);
        for (int n = have; n < WIDTH; n++) line[n] = 0;
      }
  }

  // c = a W + bias, or c += a W + bias with `add`; bias, one a column, may be null. A's rows are `a_step` apart; TURNED, its
  // columns are. Each element of C is summed over k in order whatever the rows beside it, so that no split of the rows
  // changes a bit.
  template <bool TURNED = false>
  void times(int rows, const T* a, std::int64_t a_step, T* c, std::int64_t c_row, bool add, const T* bias) const {
    const int tiles = (rows + ROWS - 1) / ROWS;
    for (int n = 0; n < columns_; n += WIDTH)
      for (int tile = 0, row = 0; tile < tiles; tile++) {
        const int count = (rows - row + tiles - tile - 1) / (tiles - tile);
        const T* from = TURNED ? a + row : a + row * a_step;
        tile_of<ROWS, TURNED>(count, {from, a_step, n, c + row * c_row + n, c_row, add, bias ? bias + n : nullptr});
        row += count;
      }
  }

 private:
  static constexpr int LANE = LANES<T>, WIDTH = 2 * LANE;
  using V = Vector<T>;
  struct Tile {
    const T* a;
    std::int64_t a_step;
    int n;
    T* c;
    std::int64_t c_row;
    bool add;
    const T* bias;
  };

  template <int M, bool TURNED> void tile_of(int rows, const Tile& t) const {
    if constexpr (M > 1)
      if (rows < M) return tile_of<M - 1, TURNED>(rows, t);
    V sum[M][2];
    const int columns = std::min(WIDTH, columns_ - t.n);
    for (int r = 0; r < M; r++)
      for (int half = 0; half < 2; half++) {
        const int have = columns - half * LANE;
        sum[r][half] = t.bias ? load(t.bias + half * LANE, have) : V{};
        if (t.add) sum[r][half] += load(t.c + r * t.c_row + half * LANE, have);
      }
    if (columns > LANE) multiply<M, 2, TURNED>(t, sum);
    else multiply<M, 1, TURNED>(t, sum);
    for (int r = 0; r < M; r++)
      for (int half = 0; half < 2; half++) keep(t.c + r * t.c_row + half * LANE, sum[r][half], columns - half * LANE);
  }
  template <int M, int HALVES, bool TURNED>
  __attribute__((always_inline)) void multiply(const Tile& t, V (&sum)[M][2]) const {
    const T *a = t.a, *w = store_.get() + std::size_t(t.n) * depth_;
    for (int k = 0; k < depth_; k++, w += WIDTH) {
      V left, right;
      std::memcpy(&left, w, sizeof left);
      std::memcpy(&right, w + LANE, sizeof right);
#pragma GCC unroll 16
      for (int r = 0; r < M; r++) {
        const T factor = TURNED ? a[r + k * t.a_step] : a[r * t.a_step + k];
        sum[r][0] += factor * left;
        if constexpr (HALVES == 2) sum[r][1] += factor * right;
      }
    }
  }
  // A vector from the first `have` of its elements; memcpy because rows need not be aligned.
  __attribute__((always_inline)) static V load(const T* from, int have) {
    V v{};
    if (have >= LANE) std::memcpy(&v, from, sizeof v);
    else if (have > 0) std::memcpy(&v, from, have * sizeof(T));
    return v;
  }
  __attribute__((always_inline)) static void keep(T* to, V v, int have) {
    if (have >= LANE) std::memcpy(to, &v, sizeof v);
    else if (have > 0) std::memcpy(to, &v, have * sizeof(T));
  }

  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  int depth_, columns_, count_;
  std::unique_ptr<T[], Free> store_;
};
