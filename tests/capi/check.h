/* Checks of the C tests: they count, and say where one failed. */
#ifndef ONEBIT_TESTS_CAPI_CHECK_H
#define ONEBIT_TESTS_CAPI_CHECK_H

#include <stdio.h>
#include <string.h>

static int g_checks, g_failures;

#define CHECK(condition) check((condition) != 0, #condition, __LINE__)
/* The call's status, and a message that has `part` in it where it failed. */
#define EXPECT(wanted, part, call) expect((wanted), (part), (call), #call, __LINE__)

static void check(int good, const char* text, int line) {
  ++g_checks;
  if (good) return;
  ++g_failures;
  printf("line %d: not so: %s\n", line, text);
}

static void expect(onebit_status wanted, const char* part, onebit_status got, const char* text, int line) {
  ++g_checks;
  if (got == wanted && (wanted == ONEBIT_OK || strstr(onebit_last_error(), part))) return;
  ++g_failures;
  printf("line %d: %s gave %s (%s), expected %s with '%s'\n", line, text, onebit_status_name(got), got ? onebit_last_error() : "",
         onebit_status_name(wanted), part);
}

static int finish(void) {
  printf("%d checks, %d failed\n", g_checks, g_failures);
  return g_failures == 0 && g_checks > 0 ? 0 : 1;
}

#endif
