#include "grammar/json_schema.h"
namespace onebit {}
