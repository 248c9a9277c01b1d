"""VOLTTRON Central's page of platforms, in a browser: what an operator there sees of the failover agents.

With SCREENSHOTS in the environment, what it looks like is saved in that folder, as docs/volttron-9.md shows it.
"""

import contextlib
import os
import shutil
from pathlib import Path

import pytest

from failover.vip.link import LinkError, RemoteError
from tests.testbed.pair import FAILOVER, LIMIT, MANAGED, await_give_back, await_status, await_takeover, wait
from tests.testbed.platforms import MONOLITHIC_ROOT

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")

pytestmark = [
    pytest.mark.skipif(not MONOLITHIC_ROOT, reason="needs VOLTTRON 9: `make test-monolithic`"),
    pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="needs `apt-get install chromium chromium-driver`")]

USER, PASSWORD = "admin", "not a secret"
WORDS = {"GOOD": "Healthy", "BAD": "Unhealthy"}
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
           "--disable-background-networking", "--disable-component-update", "--window-size=1400,620")


class Page:
    """The page, signed in."""

    def __init__(self, address, profile):
        from selenium.webdriver import Chrome, ChromeOptions, ChromeService
        from selenium.webdriver.common.by import By
        options = ChromeOptions()
        options.binary_location = CHROMIUM
        for option in OPTIONS + ("--user-data-dir={}".format(profile),):
            options.add_argument(option)
        self._css = By.CSS_SELECTOR
        self._address = address
        self._browser = Chrome(options=options, service=ChromeService(CHROMEDRIVER))
        try:
            self._browser.get(address.rpartition("/vc/")[0] + "/admin/")
            wait(lambda: self._find("input[type='password']"), LIMIT, "the page of the administration")
            if self._find("input[name='password1']"):  # Whoever comes first sets the password.
                self._fill_in(username=USER, password1=PASSWORD, password2=PASSWORD)
            self._browser.get(address)
            self._fill_in(Username=USER, Password=PASSWORD)
            wait(lambda: self._find("a[href='#platforms']"), LIMIT, "the page")
        except BaseException:
            self.close()
            raise

    def close(self):
        self._browser.quit()

    def platforms(self):
        """Return the names in the list of platforms, read anew."""
        self.leave()
        self._browser.get(self._address)
        wait(lambda: self._find("a[href='#platforms']"), LIMIT, "the page")[0].click()
        wait(lambda: [heading for heading in self._find("h2") if heading.text == "Platforms"], LIMIT, "the platforms")
        return [link.text for link in self._find(".view__item h3 a")]

    def health(self, platform):
        """Return what the page shows when the pointer rests on the failover agent of a platform, read anew: status and
        context."""
        self.platforms()
        wait(lambda: self._find(".extend-panel"), LIMIT, "the panel")[0].click()
        self._unfold(platform, lambda: self._item("Agents"))
        item = self._unfold("Agents", self._failover_item)
        wait(lambda: self._point_at(item), LIMIT, "what is shown there")
        return tuple(map(self._tooltip(item).get, ("Status", "Context")))

    def _unfold(self, name, contents):
        """Unfold what has this name in the panel and return what is then in it. A click that comes too early is lost."""
        def unfold():
            item = self._item(name)
            if item is None:
                return None
            item.find_element(self._css, ".arrowButton").click()
            with contextlib.suppress(TimeoutError):
                return wait(contents, 5, "its contents")

        return wait(unfold, LIMIT, "what is in {} in the panel".format(name))

    def _point_at(self, item):
        """Let the pointer rest on an item and return whether this showed anything.

        While the panel unfolds, its items move away from under the pointer. What is shown and does not fit in one line
        lies under the pointer, and vanishes at once.
        """
        from selenium.webdriver import ActionChains
        for element in self._find("h1") + [item.find_element(self._css, ".tooltip_target")]:
            ActionChains(self._browser).move_to_element(element).perform()
        with contextlib.suppress(TimeoutError):
            return wait(item.find_element(self._css, ".tooltip_outer").is_displayed, 3, "what is shown there")

    def leave(self):
        """Look at something else, so that nothing is asked. The next look needs no new signing in."""
        self._browser.get("about:blank")

    def save(self, name):
        """Save what is to be seen, where the environment says."""
        if os.environ.get("SCREENSHOTS"):
            wait(lambda: "1" in [tooltip.value_of_css_property("opacity") for tooltip in self._find(".tooltip_outer")
                                 if tooltip.is_displayed()], LIMIT, "what is shown no longer fades in")
            self._browser.save_screenshot(str(Path(os.environ["SCREENSHOTS"], name + ".png")))

    def _find(self, selector):
        return self._browser.find_elements(self._css, selector)

    def _fill_in(self, **values):
        def field(name):
            return self._find("input[name='{0}'], input[placeholder='{0}']".format(name))

        for name, value in values.items():
            wait(lambda: field(name), LIMIT, "the field {}".format(name))[0].send_keys(value)
        field(name)[0].submit()

    def _items(self):
        return self._find(".platform-info")

    def _item(self, label):
        return next((item for item in self._items() if item.text.split("\n")[-1].strip() == label), None)

    def _failover_item(self):
        return next((item for item in self._items() if self._tooltip(item).get("Identity") == FAILOVER), None)

    def _tooltip(self, item):
        """Return the lines of what is shown when the pointer rests on an item."""
        lines = [line.get_attribute("textContent").replace("\xa0", " ")
                 for line in item.find_elements(self._css, ".tooltip_outer .opaque_inner > div")]
        return dict(line.split(": ", 1) for line in lines if ": " in line)


@pytest.fixture
def page(standard_pair, tmp_path):
    page = Page(standard_pair.central.page, tmp_path)
    yield page
    page.close()


def await_agreement(page, side):
    """Wait until the page says of a failover agent what its own status says."""
    def agrees():
        seen.update(page=page.health(side.platform.name), status=side.status())
        status = seen["status"]
        return status and seen["page"] == (WORDS[status["health"]], status["text"])

    seen = {}
    try:
        wait(agrees, LIMIT, "the page's words about {}".format(side.platform.name), interval=1)
    except TimeoutError as error:
        raise TimeoutError("{}: {}".format(error, seen)) from None


def await_answer(side):
    """Wait until the managed agent is at work."""
    def answers():
        try:
            return side.observer.call(MANAGED, "health.get_status", timeout=1)
        except (LinkError, RemoteError):
            return None

    wait(answers, LIMIT, "an answer of the managed agent")


def await_disconnection(central, side, log_end):
    """Wait until VC has noticed, by its log after `log_end`, that a platform is gone."""
    gone = "disconnection of connection from identity: " + side.vcp_identity
    wait(lambda: gone in central.platform.log.read_text()[log_end:], LIMIT, "VC's notice of what is gone", interval=1)


def test_the_page_shows_both_platforms_and_what_their_failover_agents_say(standard_pair, page):
    primary, secondary = standard_pair.sides
    names = [side.platform.name for side in standard_pair.sides]
    wait(lambda: sorted(page.platforms()) == names, LIMIT, "both platforms", interval=1)
    for side in standard_pair.sides:
        await_agreement(page, side)
    assert primary.observer.order("pause", 600.0)["done"]
    for side in standard_pair.sides:
        await_status(side, lambda status: status["text"].startswith("paused until "), "the pause")
        await_agreement(page, side)
    assert primary.observer.order("resume")["done"]
    for side in standard_pair.sides:
        await_status(side, lambda status: status["health"] == "GOOD" and not status["text"].startswith("paused"), "no pause")
    # VOLTTRON 9 does not survive a question to a dead peer, and the page asks again and again: VCP for the health of an
    # agent that does not answer yet, and VC for VCP of a platform that it believes alive. So nobody looks meanwhile.
    page.leave()
    log_end = len(standard_pair.central.platform.log.read_text())
    primary.platform.power_off()
    await_takeover(standard_pair)
    await_answer(secondary)
    await_disconnection(standard_pair.central, primary, log_end)
    await_agreement(page, secondary)
    page.save("vc-takeover")
    wait(lambda: page.platforms() == [secondary.platform.name], LIMIT, "the primary gone from the page", interval=1)
    page.leave()
    primary.bring_back()
    await_give_back(standard_pair)
    await_answer(primary)
    standard_pair.central.await_vcp(primary)
    wait(lambda: sorted(page.platforms()) == names, LIMIT, "both platforms", interval=1)
    for side in standard_pair.sides:
        await_agreement(page, side)
