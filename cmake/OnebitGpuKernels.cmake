# The GPU kernels as code objects: one per AMD architecture, PTX text for NVIDIA (which the driver compiles). clang 22 and
# lld 22 are enough for both; neither ROCm nor CUDA takes part. Without them there are none, and the program says so
# when it is asked for a GPU.
#
# Sets the global property ONEBIT_GPU_CODE_OBJECTS to a list of ARCHITECTURE=PATH; target onebit_gpu_code builds them.
set(ONEBIT_GPU_ARCHITECTURES "gfx1100;gfx1150;gfx1151;gfx11-generic;gfx1201;sm_80;sm_90" CACHE STRING
  "GPU architectures to build kernels for")

function(onebit_gpu_code_objects source)
  set_property(GLOBAL PROPERTY ONEBIT_GPU_CODE_OBJECTS "")
  find_program(ONEBIT_GPU_CLANG NAMES clang++-22 DOC "clang that compiles GPU kernels")
  find_program(ONEBIT_GPU_LLD NAMES ld.lld-22 DOC "linker of AMD code objects")
  add_custom_target(onebit_gpu_code)
  if(NOT ONEBIT_GPU_CLANG OR NOT ONEBIT_GPU_LLD)
    message(STATUS "GPU kernels: not built, clang++-22 and ld.lld-22 are missing (scripts/install-deps.sh gpu)")
    return()
  endif()
  # -ffp-contract=off: results have the bits of the CPU, which fuses only where the source says so.
  set(common -O3 -std=c++20 -ffp-contract=off -Wall -Wextra -Werror -I${CMAKE_SOURCE_DIR}/src --cuda-device-only)
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.h)
  set(objects "")
  set(files "")
  foreach(architecture ${ONEBIT_GPU_ARCHITECTURES})
    if(architecture MATCHES "^gfx")
      set(file ${CMAKE_CURRENT_BINARY_DIR}/kernels_${architecture}.co)
      set(flags -x hip --offload-arch=${architecture} --no-gpu-bundle-output -nogpulib -nogpuinc -mcode-object-version=6 -c)
      if(NOT architecture MATCHES "generic")
        list(TRANSFORM flags REPLACE "-mcode-object-version=6" "-mcode-object-version=5")
      endif()
    else()
      set(file ${CMAKE_CURRENT_BINARY_DIR}/kernels_${architecture}.ptx)
      # PTX 7.8: drivers of CUDA 11.8 and later.
      set(flags -x cuda --cuda-gpu-arch=${architecture} --cuda-feature=+ptx78 -nocudainc -nocudalib -Wno-unknown-cuda-version -S)
    endif()
    add_custom_command(OUTPUT ${file}
      COMMAND ${ONEBIT_GPU_CLANG} ${common} ${flags} ${source} -o ${file}
      DEPENDS ${source} ${headers} COMMENT "GPU kernels for ${architecture}" VERBATIM)
    list(APPEND files ${file})
    list(APPEND objects "${architecture}=${file}")
  endforeach()
  add_custom_target(onebit_gpu_code_files DEPENDS ${files})
  add_dependencies(onebit_gpu_code onebit_gpu_code_files)
  set_property(GLOBAL PROPERTY ONEBIT_GPU_CODE_OBJECTS "${objects}")
endfunction()
