"""The tests of `ptctl`. They mirror the package; `scenarios`, `e2e` and `properties` cut across it."""
