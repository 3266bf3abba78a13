// Watches `arenad demo` in Chromium. ARENAD names the program (default target/release/arenad); SHOTS a folder for screenshots.
"use strict";
const { chromium } = require("playwright-core");
const { spawn } = require("child_process");
const net = require("net");

const ARENAD = process.env.ARENAD ?? "target/release/arenad";
const failures = [];
const running = new Set();

function check(what, holds, seen = "") {
  console.log((holds ? "ok    " : "FAIL  ") + what + (seen === "" ? "" : `  [${seen}]`));
  if (!holds) failures.push(what);
}

const freePort = () => new Promise((resolve) => {
  const server = net.createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

function demo(port, seconds, mqtt) {
  const child = spawn(ARENAD, ["demo", "--seconds", seconds, "--web-port", port, "--mqtt-port", mqtt, "--data", process.env.WORK + "/data"], { stdio: "ignore" });
  running.add(child);
  child.done = new Promise((resolve) => child.on("exit", (code) => { running.delete(child); resolve(code); }));
  return child;
}

const listens = async (port) => {
  for (let n = 0; n < 200; n++) {
    const open = await new Promise((resolve) => {
      const socket = net.connect(port, "127.0.0.1", () => { socket.destroy(); resolve(true); });
      socket.on("error", () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on port ${port}`);
};

async function main() {
  const [port, mqtt] = [await freePort(), await freePort()];
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
  let child = demo(port, "25", mqtt);
  await listens(port);
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const faults = [], elsewhere = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => { if (message.type() === "error") faults.push(message.text()); });
  page.on("request", (request) => { if (new URL(request.url()).host !== `127.0.0.1:${port}` && !request.url().startsWith("data:")) elsewhere.push(request.url()); });
  await page.goto(`http://127.0.0.1:${port}/`);
  const state = (words, timeout) => page.waitForFunction((want) => document.querySelector("#state").textContent === want, words, { timeout }).then(() => true, () => false);
  check("the page says live", await state("live", 15000), await page.textContent("#state"));
  await page.waitForTimeout(5000);
  const names = await page.$$eval("#animals th", (cells) => cells.map((cell) => cell.textContent));
  check("four named mice", ["R", "G", "B", "Y"].every((name) => names.includes(name)), names.join(" "));
  const values = Object.fromEntries(await page.$$eval("#now div", (rows) => rows.map((row) => [row.firstChild.textContent, row.lastChild.textContent])));
  check("pictures come at 10 a second or more", parseFloat(values["this page"]) >= 10, values["this page"]);
  check("capture to page under half a second", parseFloat(values["capture to page"]) < 500, values["capture to page"]);
  const bright = await page.$eval("canvas", (canvas) => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let bright = 0;
    for (let n = 0; n < pixels.length; n += 4) if (pixels[n] + pixels[n + 1] + pixels[n + 2] > 450) bright++;
    return bright / (pixels.length / 4);
  });
  check("the picture is neither black nor white", bright > 0.0005 && bright < 0.9, bright.toFixed(4));
  if (process.env.SHOTS) await page.screenshot({ path: process.env.SHOTS + "/live.png" });
  child.kill("SIGKILL");
  check("the page says that the connection is gone", await state("no connection", 5000));
  if (process.env.SHOTS) await page.screenshot({ path: process.env.SHOTS + "/gone.png" });
  const expected = faults.splice(0);
  check("no fault while it ran", expected.every((text) => /WebSocket|ERR_CONNECTION/.test(text)), expected.join("; "));
  child = demo(port, "20", await freePort());
  check("the page comes back by itself", await state("live", 20000));
  child.kill("SIGTERM");
  await child.done;
  check("nothing was asked from elsewhere", elsewhere.length === 0, elsewhere.join(" "));
  await browser.close();
}

main().catch((error) => failures.push(error.stack)).finally(() => {
  for (const child of running) child.kill("SIGKILL");
  if (failures.length) console.error(failures.length + " failed: " + failures.join("; "));
  process.exit(failures.length ? 1 : 0);
});
