"""Checks that the demo page, in Chromium, signs people in to the deployed user pool and chats through the deployment."""

import asyncio
import contextlib
import functools
import os
import shutil
import ssl
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

import trustme
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

# Where the documents open the page, and what the deployment lets in.
ORIGIN = "http://localhost:3000"
TIMEOUT = 60


def run(backend, root, password):
    """Runs the checks, and returns how many there were."""
    if not shutil.which("chromedriver"):
        if os.environ.get("CI"):
            raise RuntimeError("chromedriver is not installed")
        print("skipped: the page, as chromedriver is not installed")
        return 0
    with contextlib.ExitStack() as stack:
        page = serve(stack, root)
        pool = start_tls(stack, user_pool_host(backend), backend.aws.port)
        names = {ORIGIN.removeprefix("http://"): page, user_pool_host(backend): pool}
        people = [Person(stack, backend, names, name, password) for name in ("carol", "dave")]
        people[1].be_given_a_password(backend, "good for one sign-in")
        checks = [signs_in, chooses_a_password, chats, stays_signed_in, renews_its_token, signs_out]
        for check in checks:
            check(*people)
            print("ok   the page", check.__name__.replace("_", " "))
    return len(checks)


def signs_in(carol, dave):
    carol.browser.get(carol.address)
    carol.sign_in("not the password of anyone")
    carol.wait("document.querySelector('#sign-in-error').textContent.includes('password')")
    carol.sign_in(carol.password)
    carol.wait_until_online()


def chooses_a_password(carol, dave):
    """A user whose password is an administrator's chooses one, which then is the one that holds."""
    dave.browser.get(dave.address)
    dave.sign_in("good for one sign-in")
    dave.wait("document.activeElement.id === 'new-password'")
    dave.fill("#new-password", dave.password)
    dave.click("#sign-in-form button")
    dave.wait_until_online()
    dave.browser.execute_script("sessionStorage.clear()")
    dave.browser.refresh()
    dave.sign_in(dave.password)
    dave.wait_until_online()


def chats(carol, dave):
    for one, other in ((carol, dave), (dave, carol)):
        one.fill("#peer", other.key)
        one.click("#peer-form button")
    carol.send("Hello through the deployment")
    for person in (carol, dave):
        person.wait_for_message("Hello through the deployment")


def stays_signed_in(carol, dave):
    carol.browser.refresh()
    carol.wait_until_online()
    dave.send("Still there?")
    carol.wait_for_message("Still there?")


def renews_its_token(carol, dave):
    """A token that is as old as can be is renewed before it is used."""
    carol.browser.execute_script(
        """const kept = JSON.parse(sessionStorage.getItem('pool session'));
        const [head, claims, signature] = kept.access.split('.');
        const old = { ...JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))), exp: 1 };
        kept.access = [head, btoa(JSON.stringify(old)), signature].join('.');
        sessionStorage.setItem('pool session', JSON.stringify(kept));"""
    )
    carol.browser.refresh()
    carol.wait_until_online()
    carol.send("With another token")
    dave.wait_for_message("With another token")


def signs_out(carol, dave):
    for person in (carol, dave):
        person.click("#menu summary")
        person.click("#sign-out")
        person.wait("document.querySelector('#password').checkVisibility()")
        person.browser.refresh()
        person.wait("document.querySelector('#password').checkVisibility()")


class Person:
    """A user of the pool, before the page in a browser of their own."""

    def __init__(self, stack, backend, names, name, password):
        self.email, self.password = f"{name}@example.com", password
        self.key = backend.claims(backend.sign_up(name)["AccessToken"])["sub"]
        outputs, port = backend.outputs, backend.aws.port
        query = {
            "api": f"http://{backend.host('HttpUrl')}:{port}",
            "live": f"ws://{backend.host('WebSocketUrl')}:{port}/{outputs['WebSocketUrl'].rsplit('/', 1)[1]}",
            "pool": f"{outputs['Region']}:{outputs['UserPoolClientId']}",
        }
        self.address = f"{ORIGIN}/?{urlencode(query)}"
        options = webdriver.ChromeOptions()
        rules = ", ".join(f"MAP {name} 127.0.0.1:{port}" for name, port in names.items())
        for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", f"host-resolver-rules={rules}"):
            options.add_argument(f"--{flag}")
        options.accept_insecure_certs = True
        driver = Service(shutil.which("chromedriver"))
        self.browser = webdriver.Chrome(options, driver)
        stack.callback(self.browser.quit)

    def be_given_a_password(self, backend, password):
        """By an administrator, who wants another one chosen at the next sign-in."""
        users, pool = backend.aws.client("cognito-idp"), backend.outputs["UserPoolId"]
        users.admin_set_user_password(UserPoolId=pool, Username=self.email, Password=password, Permanent=False)

    def sign_in(self, password):
        self.fill("#name", self.email)
        self.fill("#password", password)
        self.click("#sign-in-form button")

    def send(self, text):
        self.fill("#draft", text)
        self.click("#composer button")

    def fill(self, selector, text):
        field = self.browser.find_element(By.CSS_SELECTOR, selector)
        field.clear()
        field.send_keys(text)

    def click(self, selector):
        self.browser.find_element(By.CSS_SELECTOR, selector).click()

    def wait_until_online(self):
        self.wait("document.querySelector('#connection').dataset.state === 'online'")
        self.wait("document.querySelector('#connection').textContent === arguments[0]", self.key)

    def wait_for_message(self, text):
        shown = "[...document.querySelectorAll('.message[data-state=sent] .content')]"
        self.wait(f"{shown}.some((it) => it.textContent === arguments[0])", text)

    def wait(self, condition, *arguments):
        holds = lambda browser: browser.execute_script(f"return {condition}", *arguments)
        try:
            WebDriverWait(self.browser, TIMEOUT, poll_frequency=0.1).until(holds)
        except Exception:
            print(self.browser.execute_script("return document.body.innerText"))
            raise


def serve(stack, root):
    """Serves the page as `cargo run` does, with the client package beside it; returns the port."""

    class Files(SimpleHTTPRequestHandler):
        def translate_path(self, path):
            path = path.split("?")[0]
            folder, rest = ("client/src", path.removeprefix("/client")) if path.startswith("/client/") else ("demo", path)
            return str(root / folder / (rest.lstrip("/") or "index.html"))

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.shutdown)
    return server.server_port


def user_pool_host(backend):
    return f"cognito-idp.{backend.outputs['Region']}.amazonaws.com"


def start_tls(stack, name, port):
    """Puts TLS before a port, with a certificate of this name; returns the port that it listens on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(name).configure_cert(context)
    loop = asyncio.new_event_loop()
    start = asyncio.start_server(functools.partial(relay, port), "127.0.0.1", 0, ssl=context)
    server = loop.run_until_complete(start)
    threading.Thread(target=loop.run_forever, daemon=True).start()
    stack.callback(loop.call_soon_threadsafe, loop.stop)
    return server.sockets[0].getsockname()[1]


async def relay(port, reader, writer):
    there, back = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(copy(reader, back), copy(there, writer))


async def copy(reader, writer):
    with contextlib.suppress(OSError):
        while some := await reader.read(65536):
            writer.write(some)
            await writer.drain()
    writer.close()
