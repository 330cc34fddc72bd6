import { Injectable } from '@nestjs/common';
import { PrismaService } from '../database/prisma.service.js';

const KEY = 'secrets-key';

@Injectable()
export class SecretKeyRepository {
  constructor(private readonly prisma: PrismaService) {}

  /** The one that the first replica has made. */
  async findOrMake(candidate: string): Promise<string> {
    await this.prisma.deployment.createMany({ data: [{ key: KEY, value: candidate }], skipDuplicates: true });
    return (await this.prisma.deployment.findUniqueOrThrow({ where: { key: KEY } })).value;
  }
}
