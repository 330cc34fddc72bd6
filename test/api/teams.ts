import type { Answer, ServiceProcess } from '../support/service-process.js';

export const BOOTSTRAP = 'bootstrap-key-of-the-tests';

export interface MadeKey {
  readonly id: string;
  readonly key: string;
}

export function bearer(key: string): Record<string, string> {
  return { authorization: `Bearer ${key}` };
}

/** A key for a team, made as an administrator would make it. */
export async function makeKey(
  service: ServiceProcess,
  admin: string,
  order: { teamId: string; scopes: string[]; expiresAt?: string; maxInstances?: number },
): Promise<MadeKey> {
  const answer = await service.post<MadeKey>('/api/keys', order, bearer(admin));
  if (answer.status !== 201) throw new Error(`No key was made: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

export interface ErrorAnswer {
  error: { code: string; message: string; details?: Record<string, unknown>; requestId: string };
}

/** What two answers must share to look alike: all but what names the one request. */
export function appearance({ status, body, headers }: Answer<ErrorAnswer>): unknown {
  const { code, message, details } = body.error;
  return { status, code, message, details, type: headers.get('content-type'), length: headers.get('content-length') };
}
