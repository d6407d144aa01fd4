#pragma once
#include <xrt/stub_declarations.h>
