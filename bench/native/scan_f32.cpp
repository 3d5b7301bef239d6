// The recurrent loop over a whole sequence, forward and backward, for every cell.
#include "dispatch.h"

extern "C" {
void scan_forward_f32(const Scan<float>* s) { run(*s, true); }
void scan_backward_f32(const Scan<float>* s) { run(*s, false); }
}
