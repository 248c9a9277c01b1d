"""The benchmarks on real platforms: `python -m tests.bench`, and the modules `data`, `crowd` and `start` beside it."""
