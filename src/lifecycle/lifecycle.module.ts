import { Module } from '@nestjs/common';
import { InstancesModule } from '../instances/instances.module.js';
import { NovitaModule } from '../novita/novita.module.js';
import { PricingModule } from '../pricing/pricing.module.js';
import { WebhooksModule } from '../webhooks/webhooks.module.js';
import { DeploymentIdentity } from './deployment-identity.repository.js';
import { DueWork } from './due-work.js';
import { Handover } from './handover.js';
import { InstanceReconciler } from './instance-reconciler.js';
import { LifecycleSchedule } from './lifecycle.schedule.js';
import { MachineBuyer } from './machine-buyer.js';
import { MachineObserver } from './machine-observer.js';
import { MachineOperator } from './machine-operator.js';
import { OrphanSweeper } from './orphan-sweeper.js';
import { OrphansRepository } from './orphans.repository.js';
import { PlacementRetirer } from './placement-retirer.js';
import { ReadinessProbe } from './readiness-probe.js';
import { SweepRepository } from './sweep.repository.js';

@Module({
  imports: [NovitaModule, PricingModule, InstancesModule, WebhooksModule],
  providers: [
    DeploymentIdentity,
    DueWork,
    Handover,
    InstanceReconciler,
    LifecycleSchedule,
    MachineBuyer,
    MachineObserver,
    MachineOperator,
    OrphanSweeper,
    OrphansRepository,
    PlacementRetirer,
    ReadinessProbe,
    SweepRepository,
  ],
  exports: [SweepRepository],
})
export class LifecycleModule {}
