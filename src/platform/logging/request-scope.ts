import { AsyncLocalStorage } from 'node:async_hooks';

const requestIds = new AsyncLocalStorage<string>();

/** Every line that is written meanwhile, however deep inside, carries the request's id. */
export function withinRequest(requestId: string, work: () => void): void {
  requestIds.run(requestId, work);
}

/** What a line says of the request that it was written for; nothing outside of one. */
export function requestFields(): object {
  const requestId = requestIds.getStore();
  return requestId === undefined ? {} : { requestId };
}
