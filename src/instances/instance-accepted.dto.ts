import { ApiProperty } from '@nestjs/swagger';
import { type Instance, type InstanceStatus, isSettled, STATUSES, statusOf } from './domain/instance.js';

export class InstanceAccepted {
  @ApiProperty({ example: 'inst-abc123' })
  instanceId!: string;

  @ApiProperty({ enum: STATUSES, example: 'creating' })
  status!: InstanceStatus;

  @ApiProperty({ example: 'Instance creation initiated' })
  message!: string;

  /** From the start times of the latest instances; 3 minutes before there are any. */
  @ApiProperty({ format: 'date-time', example: '2024-01-15T10:35:00.000Z' })
  estimatedReadyTime!: string;
}

/** What start, stop, restart and delete answer: taken, and carried through in the background. */
export class InstanceActionAccepted {
  @ApiProperty({ example: 'inst-abc123' })
  instanceId!: string;

  @ApiProperty({ enum: STATUSES, example: 'running' })
  status!: InstanceStatus;

  @ApiProperty({ example: 'stopping' })
  phase!: string;

  @ApiProperty({ example: 'Instance stop initiated' })
  message!: string;
}

export function toInstanceAccepted(instance: Instance, estimatedReadyTime: Date): InstanceAccepted {
  return {
    instanceId: instance.id,
    status: statusOf(instance.phase),
    message: isSettled(instance.phase) ? `Instance is ${instance.phase}` : 'Instance creation initiated',
    estimatedReadyTime: estimatedReadyTime.toISOString(),
  };
}

export function toInstanceActionAccepted({ id, phase }: Instance, message: string): InstanceActionAccepted {
  return { instanceId: id, status: statusOf(phase), phase, message };
}
