# One target per room, one test executable per room.

add_library(onebit_options INTERFACE)
# g++ 12 sees overlapping copies in std::string where there are none (GCC bug 105651).
target_compile_options(onebit_options INTERFACE -Wall -Wextra -ffp-contract=off
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
  # libstdc++ 12's std::stable_sort calls a function that it marks as deprecated itself; clang reports it in our files.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>
  $<$<BOOL:${ONEBIT_WERROR}>:-Werror>)
if(ONEBIT_SANITIZE)
  target_compile_options(onebit_options INTERFACE -fsanitize=${ONEBIT_SANITIZE}
    -fno-omit-frame-pointer -fno-sanitize-recover=all
    # Instrumented code makes g++ 12 see uninitialised members of moved-from variants.
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(onebit_options INTERFACE -fsanitize=${ONEBIT_SANITIZE})
endif()
if(ONEBIT_FUZZ)
  target_compile_options(onebit_options INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(onebit_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Headers that most files include, compiled once per kind of target: a fifth of what the sanitized build takes. Release does
# without, so that a file that forgets one of them does not compile there.
set(ONEBIT_HEADERS <algorithm> <array> <chrono> <cmath> <cstdio> <cstring> <filesystem> <functional> <map> <memory> <mutex>
  <optional> <set> <span> <string> <string_view> <thread> <variant> <vector> <fmt/format.h>)
# The first caller, `owner`, compiles them.
function(onebit_precompile target owner)
  if(NOT ONEBIT_PCH)
    return()
  endif()
  if(target STREQUAL owner)
    target_precompile_headers(${target} PRIVATE ${ARGN})
    # A time in them would make every build of the compiler cache's a new one.
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  else()
    target_precompile_headers(${target} REUSE_FROM ${owner})
  endif()
endfunction()

# onebit_room(NAME SOURCES a.cpp ... LINKS room ...): a static library `onebit_NAME`.
function(onebit_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_library(onebit_${name} STATIC ${ARG_SOURCES})
  target_include_directories(onebit_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(onebit_${name} PUBLIC ${ARG_LINKS} PRIVATE onebit_options)
  onebit_precompile(onebit_${name} onebit_base ${ONEBIT_HEADERS})
endfunction()

# onebit_tests(NAME SOURCES a_test.cpp ... LINKS ... [LABEL slow]): GoogleTest cases as CTest tests.
# Paths to data reach the tests as the macro ONEBIT_SOURCE_DIR.
function(onebit_tests name)
  cmake_parse_arguments(ARG "" "LABEL" "SOURCES;LINKS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL quick)
  endif()
  find_package(GTest REQUIRED)
  include(GoogleTest)
  add_executable(${name} ${ARG_SOURCES})
  target_compile_definitions(${name} PRIVATE ONEBIT_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
    ONEBIT_BINARY="${CMAKE_BINARY_DIR}/onebit")
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} onebit_options GTest::gtest_main)
  onebit_precompile(${name} base_test ${ONEBIT_HEADERS} <random> <gtest/gtest.h>)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 120 PROPERTIES LABELS "${ARG_LABEL}" TIMEOUT 900)
endfunction()
