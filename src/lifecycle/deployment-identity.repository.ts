import { Injectable } from '@nestjs/common';
import { ownPrefix } from '../instances/domain/unique-name.js';
import { Settings } from '../platform/config.js';
import { PrismaService } from '../platform/database/prisma.service.js';
import { Random } from '../platform/random.js';

const KEY = 'deployment-id';

/** Which machines of a shared account are ours: made once for each database, unless DEPLOYMENT_ID says otherwise. */
@Injectable()
export class DeploymentIdentity {
  private known: string | null;

  constructor(
    private readonly prisma: PrismaService,
    private readonly random: Random,
    private readonly settings: Settings,
  ) {
    this.known = settings.deploymentId;
  }

  async id(): Promise<string> {
    if (this.known !== null) return this.known;
    const data = { key: KEY, value: this.random.token(6) };
    await this.prisma.deployment.createMany({ data: [data], skipDuplicates: true });
    const row = await this.prisma.deployment.findUniqueOrThrow({ where: { key: KEY } });
    this.known = row.value;
    return row.value;
  }

  async namePrefix(): Promise<string> {
    return ownPrefix(this.settings.machineNamePrefix, await this.id());
  }
}
