// The products outside the loop: W x for all steps, and the gradients that go through it.
#include "product.h"

#include "threads.h"

namespace {

constexpr int DEPTH = 256;       // of W at a time: a panel of it stays near the first cache
constexpr int TALL = 8 * ROWS;   // rows of A at a time, at most: they stay in the second while the panels go by

// A's rows, DEPTH deep, so laid out that the inner loop reads them in a line, where they stand the other way.
template <class T> struct Turned {
  alignas(BYTES) T store[TALL * DEPTH];
  const T* of(const T* a, int rows, int depth, std::int64_t row, std::int64_t column) {
    for (int k = 0; k < depth; k++)
      for (int r = 0; r < rows; r++) store[k * TALL + r] = a[r * row + k * column];
    return store;
  }
};

template <class T>
void product(std::int64_t m, std::int64_t n, std::int64_t depth, const T* a, std::int64_t a_row, std::int64_t a_column,
             const T* b, std::int64_t b_row, std::int64_t b_column, T* c, std::int64_t threads) {
  // as many blocks of rows for every thread, each a whole number of tiles
  const std::int64_t parts = threads * ((m + threads * TALL - 1) / (threads * TALL));
  const int tall = int(((m + parts - 1) / parts + ROWS - 1) / ROWS * ROWS);
  const std::int64_t blocks = (m + tall - 1) / tall;
  for (std::int64_t k0 = 0; k0 < depth; k0 += DEPTH) {
    const int deep = int(std::min<std::int64_t>(DEPTH, depth - k0));
    const T* from = b + k0 * b_row;
    Panels<T> panels(deep, int(n));
    together(std::min(threads, blocks), [&](int me, int members) {
      panels.fill([=](int k, int j) { return from[k * b_row + j * b_column]; }, me, members);
      meet();
      Turned<T> turned;
      for (std::int64_t block = me; block < blocks; block += members) {
        const int rows = int(std::min<std::int64_t>(tall, m - block * tall));
        const T* mine = a + block * tall * a_row + k0 * a_column;
        T* to = c + block * tall * n;
        if (a_column == 1) panels.times(rows, mine, a_row, to, n, k0 > 0, nullptr);
        else panels.template times<true>(rows, turned.of(mine, rows, deep, a_row, a_column), TALL, to, n, k0 > 0, nullptr);
      }
    });
  }
}

}  // namespace

// C = A B, C (m, n) in one piece; A and B by the steps from one row and one column to the next.
extern "C" {
void product_f32(std::int64_t m, std::int64_t n, std::int64_t depth, const float* a, std::int64_t a_row, std::int64_t a_column,
                 const float* b, std::int64_t b_row, std::int64_t b_column, float* c, std::int64_t threads) {
  product(m, n, depth, a, a_row, a_column, b, b_row, b_column, c, threads);
}
void product_f64(std::int64_t m, std::int64_t n, std::int64_t depth, const double* a, std::int64_t a_row, std::int64_t a_column,
                 const double* b, std::int64_t b_row, std::int64_t b_column, double* c, std::int64_t threads) {
  product(m, n, depth, a, a_row, a_column, b, b_row, b_column, c, threads);
}
}
