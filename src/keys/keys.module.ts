import { Module } from '@nestjs/common';
import { KeyAuthenticator } from './key-authenticator.js';
import { KeysController } from './keys.controller.js';
import { KeysRepository } from './keys.repository.js';
import { KeysService } from './keys.service.js';

@Module({
  controllers: [KeysController],
  providers: [KeyAuthenticator, KeysRepository, KeysService],
  exports: [KeyAuthenticator],
})
export class KeysModule {}
