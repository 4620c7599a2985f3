# Install rules: the programs, the static libraries with their headers for
# find_package(pm), and what belongs into share/pm.

set(pm_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/pm)

install(TARGETS pm_node pmctl pm-keeper pm_worker
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

install(TARGETS pm_base pm_runtime pm_functions pm EXPORT pm_targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT pm_targets NAMESPACE pm:: DESTINATION ${pm_package_dir})

foreach(room IN ITEMS runtime registry actors)
  install(DIRECTORY ${pm_SOURCE_DIR}/${room}/include/
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
endforeach()

configure_package_config_file(cmake/pmConfig.cmake.in
  ${pm_BINARY_DIR}/pmConfig.cmake INSTALL_DESTINATION ${pm_package_dir})
# A 0.x version promises nothing to the next one.
write_basic_package_version_file(${pm_BINARY_DIR}/pmConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${pm_BINARY_DIR}/pmConfig.cmake
  ${pm_BINARY_DIR}/pmConfigVersion.cmake cmake/FindCAF.cmake
  DESTINATION ${pm_package_dir})

install(FILES conf/pm-node.schema.json conf/demo.json conf/minimal.json
  conf/pm-node.service LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/pm)
