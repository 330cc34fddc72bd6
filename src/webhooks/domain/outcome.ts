import type { UrlRefusal } from './target-url.js';

/**
 * Why nothing, or only something unreadable, came back. `timeout` is the total deadline; a silent connect is `connect`.
 * `signing`: nothing was sent, because the receiver's secret cannot be read.
 */
export type FailureClass = 'dns' | 'connect' | 'tls' | 'timeout' | 'reset' | 'protocol' | 'signing';

export type TargetRefusal = UrlRefusal | 'too-many-addresses' | 'connected-elsewhere';

/**
 * What became of one guarded request. It never holds a byte of the answer's body, which would turn a
 * webhook into a way to read what only this service can reach.
 */
export type Outcome =
  | { kind: 'answered'; status: number; retryAfter?: string; bytes: number; durationMs: number }
  | { kind: 'refused'; because: TargetRefusal; durationMs: number }
  | { kind: 'failed'; class: FailureClass; durationMs: number };
