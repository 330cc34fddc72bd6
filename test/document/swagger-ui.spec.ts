import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { World } from '../support/world.js';

const CHROMIUM = '/usr/bin/chromium';
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Whatever a page asks for, no name but ours is ever looked up.
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
];
const PATIENCE_MS = 60_000;
const LIST = '#operations-instances-listInstances';

let world: World;
let browser: BrowserContext;
let profile: string;
const asked: string[] = [];

async function openDocument(): Promise<Page> {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(`${world.service.url}/docs`);
  await page.waitForSelector(LIST);
  return page;
}

async function answerIn(page: Page): Promise<{ status: string; body: string }> {
  const live = page.locator(`${LIST} .live-responses-table .response`);
  await live.waitFor();
  return {
    status: (await live.locator('.response-col_status').first().innerText()).trim(),
    body: await live.locator('.highlight-code').first().innerText(),
  };
}

const hasBrowser = existsSync(CHROMIUM);
const suite = hasBrowser
  ? describe
  : (name: string, _body: () => void) => {
      it(`${name}: there is no ${CHROMIUM} on this machine to try it in`, () => expect(hasBrowser).toBe(false));
    };

suite('the page at /docs, in a real browser', () => {
  beforeAll(async () => {
    world = await World.start();
    profile = await mkdtemp(join(tmpdir(), 'novita-gpu-instances-browser-'));
    browser = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM,
      args: FLAGS,
      timeout: PATIENCE_MS,
    });
  }, 120_000);
  afterAll(async () => {
    await browser.close();
    await world.stop();
    await rm(profile, { recursive: true, force: true });
  });

  it('comes whole from the service, and lists what it can do', async () => {
    const page = await openDocument();

    expect(await page.locator('.opblock').count()).toBeGreaterThan(8);
    expect(await page.locator('.errors-wrapper').count()).toBe(0);
    const elsewhere = asked.filter((url) => !url.startsWith(world.service.url) && !url.startsWith('data:'));
    expect(elsewhere).toEqual([]);
    await page.close();
  }, 120_000);

  it('tries an operation against the service', async () => {
    const page = await openDocument();

    await page.click(`${LIST} .opblock-summary-control`);
    await page.click(`${LIST} .try-out__btn`);
    await page.click(`${LIST} .execute`);

    const answer = await answerIn(page);
    expect(answer.status).toMatch(/^200/);
    expect(JSON.parse(answer.body.slice(answer.body.indexOf('{')))).toMatchObject({ instances: [], total: 0 });
    await page.close();
  }, 120_000);

  it('does so with the keyboard alone', async () => {
    const page = await openDocument();
    const tabTo = async (what: string) => {
      for (let presses = 0; presses < 150; presses += 1) {
        await page.keyboard.press('Tab');
        if (await page.evaluate(`document.activeElement?.matches(${JSON.stringify(what)}) ?? false`)) return;
      }
      throw new Error(`The key Tab does not lead to ${what}`);
    };

    await tabTo(`${LIST} .opblock-summary-control`);
    await page.keyboard.press('Enter');
    await tabTo(`${LIST} .try-out__btn`);
    await page.keyboard.press('Enter');
    await tabTo(`${LIST} .execute`);
    await page.keyboard.press('Enter');

    expect((await answerIn(page)).status).toMatch(/^200/);
    await page.close();
  }, 120_000);
});
