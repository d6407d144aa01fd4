# The device compiler (Peano, LLVM for AI Engines). Without it every image is for the simulator only.
set(PEANO_INSTALL_DIR "" CACHE PATH "install folder of Peano (llvm-aie), which holds bin/clang++")
set(AIE_API_INCLUDE_DIR "" CACHE PATH "folder that holds aie_api/aie.hpp, where Peano does not bring it")

# onebit_core_code_table(OUT WRITER KERNELS): names the source of the table of compiled cores in OUT.
function(onebit_core_code_table out writer kernels)
  if(NOT PEANO_INSTALL_DIR)
    message(STATUS "PEANO_INSTALL_DIR is not set: images of NPU programs run in the simulator only")
    set(${out} no_core_code.cpp PARENT_SCOPE)
    return()
  endif()
  set(compiler ${PEANO_INSTALL_DIR}/bin/clang++)
  if(NOT EXISTS ${compiler})
    message(FATAL_ERROR "PEANO_INSTALL_DIR is ${PEANO_INSTALL_DIR}, expected a folder with bin/clang++")
  endif()
  set(table ${CMAKE_CURRENT_BINARY_DIR}/core_table.cpp)
  list(TRANSFORM kernels PREPEND ${CMAKE_SOURCE_DIR}/src/npu/kernels/ OUTPUT_VARIABLE sources)
  file(GLOB start CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/npu/kernels/start/* ${CMAKE_SOURCE_DIR}/src/npu/kernels/kernels.h)
  add_custom_command(OUTPUT ${table}
    COMMAND ${CMAKE_COMMAND} -DCOMPILER=${compiler} -DAIE_API=${AIE_API_INCLUDE_DIR} -DSOURCE_DIR=${CMAKE_SOURCE_DIR}
      -DWRITER=$<TARGET_FILE:${writer}> "-DKERNELS=${kernels}" -DWORK=${CMAKE_CURRENT_BINARY_DIR}/cores -DTABLE=${table}
      -P ${CMAKE_SOURCE_DIR}/cmake/PeanoCores.cmake
    DEPENDS ${writer} ${sources} ${start} ${CMAKE_SOURCE_DIR}/cmake/PeanoCores.cmake
    COMMENT "Compiling core programs with ${compiler}" VERBATIM)
  set(${out} ${table} PARENT_SCOPE)
endfunction()
