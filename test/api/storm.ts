import type { Answer, ServiceProcess } from '../support/service-process.js';
import { bearer } from './teams.js';

/** How many requests at once come from outside. */
const SENDERS = 50;

export function listAs(
  service: ServiceProcess,
  key: string,
  path = '/api/instances?limit=1',
): Promise<Answer<unknown>> {
  return service.get(path, bearer(key));
}

/** A machine that has too much to do says 503 and means it: come again. */
async function listSometime(service: ServiceProcess, key: string): Promise<Answer<unknown>> {
  for (;;) {
    const answer = await listAs(service, key);
    if (answer.status !== 503) return answer;
  }
}

/** As many requests with one key, spread over all replicas. */
export async function storm(
  services: readonly ServiceProcess[],
  key: string,
  requests: number,
): Promise<Answer<unknown>[]> {
  const answers: Answer<unknown>[] = [];
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
