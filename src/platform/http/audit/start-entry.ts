import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from '../../clock.js';
import { Settings, withoutSecrets } from '../../config.js';
import { newRequestId } from '../request-id.js';
import { AuditRepository } from './audit.repository.js';
import { AuditTrail } from './audit-trail.js';
import { stateHash } from './state-hash.js';

const ACTION = 'startService';
const TARGET = 'settings';

/** Each start leaves an entry. Its hashes tell whether the settings are those of the start before; secrets are not in them. */
@Injectable()
export class StartEntry implements OnApplicationBootstrap {
  private readonly logger = new Logger(StartEntry.name);

  constructor(
    private readonly audit: AuditRepository,
    private readonly trail: AuditTrail,
    private readonly clock: Clock,
    private readonly settings: Settings,
  ) {}

  onApplicationBootstrap(): void {
    this.write().catch((error: unknown) => this.logger.warn({ err: error }, 'the start is not in the audit trail'));
  }

  private async write(): Promise<void> {
    this.trail.note({
      at: this.clock.now(),
      teamId: null,
      actor: `replica ${this.settings.replicaId.slice(0, 8)}`,
      action: ACTION,
      method: 'START',
      route: '',
      target: TARGET,
      outcome: 'accepted',
      status: null,
      errorCode: null,
      requestId: newRequestId(),
      ip: '',
      beforeHash: await this.audit.latestAfterHash(ACTION, TARGET),
      afterHash: stateHash(withoutSecrets(this.settings)),
    });
  }
}
