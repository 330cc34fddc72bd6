/** The one shape of every error answer. */
export interface ErrorBody {
  error: {
    code: string;
    message: string;
    details?: Record<string, unknown>;
    timestamp: string;
    requestId: string;
  };
}

/** An error before it becomes bytes. */
export interface ErrorAnswer {
  status: number;
  code: string;
  message: string;
  details?: Record<string, unknown>;
  headers?: Record<string, string>;
}

export function toErrorBody(answer: ErrorAnswer, requestId: string, now: Date): ErrorBody {
  const { code, message, details } = answer;
  return {
    error: { code, message, ...(details && { details }), timestamp: now.toISOString(), requestId },
  };
}
