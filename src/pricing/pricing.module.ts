import { Module } from '@nestjs/common';
import { NovitaModule } from '../novita/novita.module.js';
import { Catalogue } from './catalogue.js';
import { PricingService } from './pricing.service.js';
import { StockOutRepository } from './stock-out.repository.js';

@Module({
  imports: [NovitaModule],
  providers: [Catalogue, PricingService, StockOutRepository],
  exports: [Catalogue, PricingService],
})
export class PricingModule {}
