import { CallLog } from './call-log.ts';
import { Endpoints } from './endpoints.ts';
import { Faults } from './faults.ts';
import { World } from './world.ts';

/** All state of one sandbox; a reset makes it new. */
export class Sandbox {
  world = new World();
  faults = new Faults();
  calls = new CallLog();
  endpoints = new Endpoints();
  /** `http://127.0.0.1:PORT`, known once it listens. */
  origin = '';
  readonly apiKey: string | undefined;

  constructor(apiKey: string | undefined) {
    this.apiKey = apiKey;
  }

  reset(): void {
    this.world = new World();
    this.faults = new Faults();
    this.calls = new CallLog();
    this.endpoints = new Endpoints();
  }
}
