import { AsyncLocalStorage } from 'node:async_hooks';

const requestIds = new AsyncLocalStorage<string>();

/** Everything that `work` sets going belongs to the request. */
export function aroundRequest(requestId: string, work: () => void): void {
  requestIds.run(requestId, work);
}

/** The request that is being served here; undefined for work of the service's own. */
export function currentRequestId(): string | undefined {
  return requestIds.getStore();
}
