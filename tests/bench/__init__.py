"""The benchmark, `python -m tests.bench`: takeover times and resource usage on two real platforms."""
