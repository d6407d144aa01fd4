// The chat page, page.html, embedded when the program is built.
#pragma once

#include <string_view>

namespace onebit::server {

std::string_view page();

}  // namespace onebit::server
