import type { ServerResponse } from 'node:http';
import { answer, HTML_PAGE } from './sending.ts';
import type { World } from './world.ts';

/** What listens behind a mapped http port: a gateway's 502 until the application is up, then a 200. `path` is `id/port/…`. */
export function answerApplication(path: string, response: ServerResponse, { settings, clock, fleet }: World): void {
  const [id = '', port = ''] = path.split('/');
  const machine = fleet.machines.get(id);
  const since = machine?.status === 'running' ? machine.runningSince : null;
  if (since === null || clock.now() < since + settings.durations.app * 1000) {
    answer(response, 502, HTML_PAGE, { 'content-type': 'text/html' });
  } else {
    answer(response, 200, JSON.stringify({ machine: id, port }));
  }
}
