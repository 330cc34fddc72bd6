/** Where the HTTP layer writes its own lines; a pino logger fits. */
export interface HttpLog {
  isLevelEnabled(level: 'debug' | 'info' | 'warn' | 'error'): boolean;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
