"""Two failover agents and VOLTTRON Central (VC) in virtual time, and a search for the faults that break a promise.

The production decision (:func:`failover.decision.machine.step`) decides here as it does on real platforms. Everything around
it is a model of the environment: links, routers, VC, VCP, control and its monitor, processes, disks, clocks. No rule of the
decision is here. There is no real clock, and chance comes from one seed: a schedule always goes the same way.

The promises of standard failover, which hold for both sides together:

* **S**: the managed agents never both drive, as long as stopping takes at most ``stop_grace`` and each clock runs within
  1 % of the true rate. What docs/promise.md excepts is excused, see :mod:`tests.simulator.excuses`.
* **L**: once the faults no longer change, those run that the documentation's tables say, and each side says so, within
  :data:`tests.simulator.promises.SETTLED_WITHIN`.
* **T**: what a side says of its decision is true: :mod:`tests.simulator.truth`.

What is not modelled: a managed agent that somebody starts by hand, the probes of a link that has nothing to publish, web
discovery of VC, authorizations, and the quiet time of a failover agent that was killed amid its end.
"""
