import type { Dispatcher } from 'undici';
import { ConnectFailed, TargetRefused } from './connect-errors.js';
import type { FailureClass, Outcome } from './domain/outcome.js';
import { parseRetryAfterMs } from './domain/retry-schedule.js';
import type { HttpLimits } from './http-limits.js';

/** 103 Early Hints is legal once or twice; more is a way to keep us busy. */
const MAX_INTERIM_RESPONSES = 4;

/** One request and what came of it. Settles once: whatever happens after that only ends the connection. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly outcome: Promise<Outcome>;
  private settle!: (outcome: Outcome) => void;
  private isSettled = false;
  private readonly startedAtMs = performance.now();
  private readonly timer: NodeJS.Timeout;
  private controller: Dispatcher.DispatchController | null = null;
  private interimResponses = 0;
  private status = 0;
  private retryAfter: string | undefined;
  private bytes = 0;

  constructor(
    private readonly limits: HttpLimits,
    deadlineMs: number,
  ) {
    this.outcome = new Promise((resolve) => (this.settle = resolve));
    this.timer = setTimeout(() => this.fail('timeout'), deadlineMs);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    // The deadline has passed while the request waited for a connection: it must not be sent any more.
    if (this.isSettled) this.hangUp();
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Record<string, unknown>): void {
    if (status < 200) {
      this.interimResponses += 1;
      if (this.interimResponses > MAX_INTERIM_RESPONSES) this.fail('protocol');
      return;
    }
    this.status = status;
    this.retryAfter = readRetryAfter(headers['retry-after']);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.bytes = Math.min(this.bytes + chunk.length, this.limits.maxBodyBytes);
    if (this.bytes < this.limits.maxBodyBytes) return;
    this.answered();
    this.hangUp();
  }

  onResponseEnd(): void {
    this.answered();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (error instanceof TargetRefused) {
      this.finish({ kind: 'refused', because: error.because, durationMs: elapsedMs(this.startedAtMs) });
    } else {
      this.finish({ kind: 'failed', class: classOf(error), durationMs: elapsedMs(this.startedAtMs) });
    }
  }

  private answered(): void {
    this.finish({
      kind: 'answered',
      status: this.status,
      ...(this.retryAfter === undefined ? {} : { retryAfter: this.retryAfter }),
      bytes: this.bytes,
      durationMs: elapsedMs(this.startedAtMs),
    });
  }

  private fail(failureClass: FailureClass): void {
    this.finish({ kind: 'failed', class: failureClass, durationMs: elapsedMs(this.startedAtMs) });
    this.hangUp();
  }

  private finish(outcome: Outcome): void {
    clearTimeout(this.timer);
    this.isSettled = true;
    this.settle(outcome);
  }

  private hangUp(): void {
    this.controller?.abort(new Error('Enough'));
  }
}

function readRetryAfter(value: unknown): string | undefined {
  return typeof value === 'string' && parseRetryAfterMs(value, new Date(0)) !== null ? value : undefined;
}

/** What an error on the way means. */
export function classOf(error: unknown): FailureClass {
  if (error instanceof ConnectFailed) return error.failureClass;
  const code = error instanceof Error ? String((error as NodeJS.ErrnoException).code ?? '') : '';
  if (code.startsWith('HPE_') || PROTOCOL_ERRORS.has(code)) return 'protocol';
  return 'reset';
}

const PROTOCOL_ERRORS = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
]);

export function elapsedMs(sinceMs: number): number {
  return Math.round(performance.now() - sinceMs);
}
