// Header lines of a response into HttpHead.
#pragma once

#include <string_view>

#include "store/http.h"

namespace onebit::store {

// One line with or without its end. A status line begins a new head; what is not understood is passed over, and a number that is
// none leaves its field empty.
void read_header_line(std::string_view line, HttpHead& head);

}  // namespace onebit::store
