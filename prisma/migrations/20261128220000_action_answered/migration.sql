-- AlterTable
ALTER TABLE "instances" ADD COLUMN "action_answered_at" TIMESTAMPTZ(3);
