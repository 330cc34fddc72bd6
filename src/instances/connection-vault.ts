import { Injectable, Logger } from '@nestjs/common';
import { CannotOpen, SecretBox } from '../platform/secrets/secret-box.js';
import type { Connection } from './domain/instance.js';

/** As a row holds it: the password is sealed. In rows of earlier versions it stands as it is. */
export type StoredConnection = Connection & { readonly sealedSshPassword?: string };

/** Keeps the way into a machine out of the database's dumps. */
@Injectable()
export class ConnectionVault {
  private readonly logger = new Logger(ConnectionVault.name);

  constructor(private readonly box: SecretBox) {}

  async seal(connection: Connection, instanceId: string): Promise<StoredConnection> {
    const { sshPassword } = connection;
    if (sshPassword === null) return connection;
    const sealedSshPassword = await this.box.seal(sshPassword, ownerOf(instanceId));
    return { ...connection, sshPassword: null, sealedSshPassword };
  }

  /** Without the password when no key at hand opens it; the next start brings a new one. */
  async open({ sealedSshPassword, ...connection }: StoredConnection, instanceId: string): Promise<Connection> {
    if (sealedSshPassword === undefined) return connection;
    try {
      return { ...connection, sshPassword: await this.box.open(sealedSshPassword, ownerOf(instanceId)) };
    } catch (error) {
      if (!(error instanceof CannotOpen)) throw error;
      this.logger.error({ instanceId }, 'the password of an instance cannot be opened; was SECRETS_KEY changed?');
      return connection;
    }
  }
}

function ownerOf(instanceId: string): string {
  return `instance ${instanceId}`;
}
