// From the numbers in a Scan to the loop that it asks for.
#pragma once
#include "rows.h"
#include "units.h"

template <class T, template <class, class> class Cell, class Act> void with_cell(const Scan<T>& s, bool forward) {
  s.norm == BATCH ? by_units<T, Cell<T, Act>>(s, forward) : by_rows<T, Cell<T, Act>>(s, forward);
}
template <class T, class Act> void with_activation(const Scan<T>& s, bool forward) {
  switch (s.kernel) {  // in the order of bench.core.cpp.KERNELS
    case 0: return with_cell<T, RNN, Act>(s, forward);
    case 1: return with_cell<T, LSTM, Act>(s, forward);
    case 2: return with_cell<T, GRU, Act>(s, forward);
  }
}
template <class T> void run(const Scan<T>& s, bool forward) {
  switch (s.activation) {  // in the order of bench.core.cpp.ACTIVATIONS
    case 0: return with_activation<T, Tanh>(s, forward);
    case 1: return with_activation<T, ReLU>(s, forward);
    case 2: return with_activation<T, LeakyReLU>(s, forward);
    case 3: return with_activation<T, HardTanh>(s, forward);
  }
}
