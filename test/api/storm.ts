import type { ServiceProcess } from '../support/service-process.js';
import { bearer } from './teams.js';

/** How many requests at once come from outside. */
const SENDERS = 50;

export async function listAs(service: ServiceProcess, key: string, path = '/api/instances?limit=1'): Promise<Response> {
  const answer = await fetch(service.url + path, { headers: bearer(key) });
  await answer.arrayBuffer();
  return answer;
}

/** A machine that has too much to do says 503 and means it: come again. */
async function listSometime(service: ServiceProcess, key: string): Promise<Response> {
  for (;;) {
    const answer = await listAs(service, key);
    if (answer.status !== 503) return answer;
  }
}

/** As many requests with one key, spread over all replicas. */
export async function storm(services: readonly ServiceProcess[], key: string, requests: number): Promise<Response[]> {
  const answers: Response[] = [];
  const sender = async (index: number) => {
    for (let sent = 0; sent < requests / SENDERS; sent += 1) {
      const service = services[(index + sent) % services.length];
      if (service === undefined) throw new Error('There is no replica');
      answers.push(await listSometime(service, key));
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, (_, index) => sender(index)));
  return answers;
}
