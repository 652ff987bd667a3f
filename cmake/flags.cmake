# Compile flags of every target. The plain feature macro is given here once, so that no file sets it.
add_compile_definitions(_GNU_SOURCE CHIPQ_VERSION="${PROJECT_VERSION}")
include_directories(${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
add_compile_options(
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
    -Wswitch-enum -Wvla -Wformat=2 -fno-omit-frame-pointer -fstack-protector-strong
    -ffp-contract=off)
include(CheckCCompilerFlag)
check_c_compiler_flag(-Wformat-truncation HAS_FORMAT_TRUNCATION)
if(HAS_FORMAT_TRUNCATION)
    add_compile_options(-Wno-format-truncation) # texts of bounded size are cut on purpose
endif()
if(CHIPQ_WERROR)
    add_compile_options(-Werror)
endif()
if(CHIPQ_FAILPOINTS)
    add_compile_definitions(CQ_FAILPOINTS=1)
endif()
if(CHIPQ_SANITIZE)
    add_compile_options(-fsanitize=${CHIPQ_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${CHIPQ_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
add_link_options(-Wl,-z,relro,-z,now)
# Assertions stay on in every build: better stop than go on wrong.
foreach(config IN ITEMS RELEASE RELWITHDEBINFO)
    string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_${config} "${CMAKE_C_FLAGS_${config}}")
endforeach()
