# What every target of pm has in common, and the two ways to make one.

add_library(pm_options INTERFACE)
target_compile_options(pm_options INTERFACE -Wall -Wextra -Wnon-virtual-dtor
  -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(pm_options INTERFACE -Wshadow=local -Wno-restrict
    $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>) # for ccache
endif()
if(PM_WERROR)
  target_compile_options(pm_options INTERFACE -Werror)
endif()
if(PM_SANITIZE)
  target_compile_options(pm_options INTERFACE -fsanitize=${PM_SANITIZE}
    -fno-omit-frame-pointer)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # Instrumented code makes GCC 12 see uninitialised reads that are none.
    target_compile_options(pm_options INTERFACE -Wno-maybe-uninitialized)
  endif()
  target_link_options(pm_options INTERFACE -fsanitize=${PM_SANITIZE})
  target_compile_definitions(pm_options INTERFACE PM_SANITIZED)
endif()
target_compile_definitions(pm_options INTERFACE RAPIDJSON_HAS_STDSTRING=1)

# pm_library(NAME): a static library whose sources its folders add with
# target_sources, and whose public headers are in <room>/include.
function(pm_library name)
  add_library(${name} STATIC)
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:pm_options>)
  target_include_directories(${name} PRIVATE ${pm_SOURCE_DIR})
endfunction()

# pm_test(NAME LABEL label SOURCES ... LIBS ...): a Boost.Test program that
# ctest runs. Sources may name the private headers by their path from the top.
function(pm_test name)
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT" "SOURCES;LIBS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE pm_options ${arg_LIBS}
    Boost::unit_test_framework)
  target_compile_definitions(${name} PRIVATE BOOST_TEST_DYN_LINK
    PM_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}"
    PM_SOURCE_DIR="${pm_SOURCE_DIR}")
  target_include_directories(${name} PRIVATE ${pm_SOURCE_DIR}
    ${pm_SOURCE_DIR}/test)
  if(TARGET pm_caf_handovers AND ("pm" IN_LIST arg_LIBS))
    target_sources(${name} PRIVATE $<TARGET_OBJECTS:pm_caf_handovers>)
  endif()
  add_test(NAME ${name} COMMAND ${name} --log_level=test_suite
    --report_level=short)
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABEL}"
    TIMEOUT ${arg_TIMEOUT})
endfunction()
