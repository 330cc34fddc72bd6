import type { FailureClass, TargetRefusal } from './domain/outcome.js';

export class TargetRefused extends Error {
  constructor(readonly because: TargetRefusal) {
    super(`Refused to connect: ${because}`);
  }
}

export class ConnectFailed extends Error {
  constructor(readonly failureClass: FailureClass) {
    super(`Could not connect: ${failureClass}`);
  }
}
