// The recurrent loop in doubles, for checks of gradients: in a file of its own, and compiled with less care, so that the
// build need not wait for it.
#pragma GCC optimize("O1")
#include "dispatch.h"

extern "C" {
void scan_forward_f64(const Scan<double>* s) { run(*s, true); }
void scan_backward_f64(const Scan<double>* s) { run(*s, false); }
}
