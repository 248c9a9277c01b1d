"""What the tests, the demo and the benchmark run on: real platforms in pairs, and stand-ins for what is around them."""
