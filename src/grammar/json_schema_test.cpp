#include "grammar/json_schema.h"
